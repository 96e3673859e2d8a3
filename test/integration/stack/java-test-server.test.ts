import { readFileSync } from 'node:fs';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readSettings } from '../../../src/config/environment.js';
import { startJavaTestServer } from '../../../src/stack/java-test-server.js';
import { startTimeSkipping } from '../../support/time-skipping.js';
import { eventually, fixture, holder, isAlive } from './support.js';

const settings = readSettings();

describe('Java test server', { timeout: 120_000 }, () => {
  it('start → a workflow can be started, described and terminated in namespace default', async () => {
    const server = await startJavaTestServer({ settings });
    onTestFinished(server.stop);
    const connection = await Connection.connect({ address: server.address });
    onTestFinished(() => connection.close());
    const { workflow } = new Client({ connection });
    const handle = await workflow.start('any', { workflowId: 'one', taskQueue: 'nobody' });
    expect((await handle.describe()).status.name).toBe('RUNNING');
    await handle.terminate();
    expect((await handle.describe()).status.name).toBe('TERMINATED');
  });

  it.runIf(process.platform === 'linux')('start → listens on 127.0.0.1 only', async () => {
    const server = await startJavaTestServer({ settings });
    onTestFinished(server.stop);
    const port = Number(server.address.split(':')[1]).toString(16).toUpperCase().padStart(4, '0');
    // State 0A is LISTEN; IPv4 addresses are in host byte order, and Java maps them into IPv6.
    const listening = ['/proc/net/tcp', '/proc/net/tcp6']
      .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => local?.endsWith(`:${port}`) && state === '0A');
    expect(listening.map(([, local]) => local)).toEqual([
      expect.stringMatching(/^(0000000000000000FFFF0000)?0100007F:/) as string,
    ]);
  });

  it('stop → its process is gone', async () => {
    const server = await startJavaTestServer({ settings });
    await server.stop();
    expect(isAlive(server.pid)).toBe(false);
  });

  it('our process died of -9 → the server ends by itself', async () => {
    const { held, kill } = await holder('java');
    await kill();
    await eventually('the server is gone', () => !isAlive(held.pid));
  });

  it('a port that is taken → says so', async () => {
    const server = await startJavaTestServer({ settings });
    onTestFinished(server.stop);
    const port = Number(server.address.split(':')[1]);
    await expect(startJavaTestServer({ settings, port })).rejects.toMatchObject({
      type: 'Stack.Unavailable',
      message: expect.stringContaining('Address already in use') as string,
    });
  });

  it('wrapper → createTimeSkipping runs a month of sleep in seconds', async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    const environment = await startTimeSkipping();
    onTestFinished(() => environment.teardown());
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue: 'sleepers',
      workflowsPath: fixture('sleeper.ts'),
    });
    const before = await environment.currentTimeMs();
    const result: unknown = await worker.runUntil(
      environment.client.workflow.execute('sleeper', {
        workflowId: 'sleeper',
        taskQueue: 'sleepers',
      }),
    );
    expect(result).toBe('awake');
    const slept = (await environment.currentTimeMs()) - before;
    expect(slept).toBeGreaterThanOrEqual(30 * 86_400_000 - 60_000);
  });

  it('no Java on the PATH → says what is needed and the three ways to get a server', async () => {
    const { JAVA_HOME } = process.env;
    delete process.env.JAVA_HOME;
    onTestFinished(() => {
      if (JAVA_HOME) process.env.JAVA_HOME = JAVA_HOME;
    });
    await expect(
      startJavaTestServer({ settings: { ...settings, searchPath: ['/nonexistent'] } }),
    ).rejects.toThrow(/needs Java 11 or later.*Temporal CLI.*TEMPORAL_ADDRESS/);
  });
});
