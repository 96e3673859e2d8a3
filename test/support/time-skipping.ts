/** Temporal's Java test server with time that skips, for tests that wait for days. */
import { randomBytes } from 'node:crypto';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { inject } from 'vitest';
import { AgentRuntime } from '../../src/client/agent-runtime.js';
import { readSettings } from '../../src/config/environment.js';
import { DEFAULT_LIMITS } from '../../src/contracts/agent.js';
import type { Tool } from '../../src/contracts/tool.js';
import { javaTestServerExecutable } from '../../src/stack/java-test-server.js';
import { migrate } from '../../src/store/migrate.js';
import { ScriptedModel } from '../../src/testing/scripted-model.js';
import { buildBundle } from '../../worker/bundle.js';
import { createWorker } from '../../worker/create-worker.js';
import { CACHED_WORKFLOWS } from './cached-workflows.js';

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

/** A worker, a scripted model and a runtime on a server of their own, whatever the run is on. */
export interface SkippingStack {
  readonly env: TestWorkflowEnvironment;
  readonly runtime: AgentRuntime;
  readonly model: ScriptedModel;
  stop(): Promise<void>;
}

export async function startSkippingStack(tools: readonly Tool[] = []): Promise<SkippingStack> {
  const databaseUrl = inject('databaseUrl');
  await migrate(databaseUrl);
  const env = await startTimeSkipping();
  const model = await ScriptedModel.start();
  const tenant = `skip-${randomBytes(6).toString('hex')}`;
  const runtime = await AgentRuntime.connect({
    connection: env.connection,
    databaseUrl,
    tenant,
    taskQueue: tenant,
  });
  const worker = await createWorker({
    config: {
      agents: [
        {
          name: 'assistant',
          instructions: 'You are a test.',
          provider: 'default',
          model: 'gpt-test',
          temperature: null,
          maxTokens: 1_000,
          tools: ['*'],
          mcp: [],
          unread: 'all',
          limits: DEFAULT_LIMITS,
        },
      ],
      tools,
      mcp: {},
      providers: {
        default: { api: 'chat', baseUrl: model.baseUrl, apiKey: 'x', stallTimeoutMs: 10_000 },
      },
    },
    connection: env.nativeConnection,
    taskQueue: tenant,
    databaseUrl,
    workflowBundle: await buildBundle(),
    worker: CACHED_WORKFLOWS,
  });
  const running = worker.run();
  return {
    env,
    runtime,
    model,
    async stop() {
      worker.shutdown();
      await running;
      await runtime.close();
      await model.stop();
      await env.teardown();
    },
  };
}
