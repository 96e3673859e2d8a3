/** Temporal's Java test server with time that skips, for tests that wait for days. */
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { readSettings } from '../../src/config/environment.js';
import { javaTestServerExecutable } from '../../src/stack/java-test-server.js';

/** The SDK gives a server 5 s to start, which a JVM on a busy machine may not keep. */
const STARTS = 6;

export async function startTimeSkipping(): Promise<TestWorkflowEnvironment> {
  const path = await javaTestServerExecutable(readSettings());
  for (let start = 1; ; start++) {
    try {
      return await TestWorkflowEnvironment.createTimeSkipping({
        server: { executable: { type: 'existing-path', path } },
      });
    } catch (error) {
      if (start === STARTS || !String(error).includes('did not start within')) throw error;
    }
  }
}
