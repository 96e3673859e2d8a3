/** Workers and stacks as an application holds them: what they refuse, and how they are closed. */
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { AgentRuntime } from '../../../src/client/agent-runtime.js';
import { readSettings } from '../../../src/config/environment.js';
import { OFFLINE_MODEL } from '../../../src/contracts/model-traits.js';
import { startTestStack } from '../../../src/testing/test-stack.js';
import { createWorker, type PerduraWorkerOptions } from '../../../worker/create-worker.js';
import { runWorker } from '../../../worker/main.js';
import { Harness } from '../../support/harness.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

let h: Harness;
beforeAll(async () => {
  h = await Harness.start({ start: false });
});
afterAll(() => h.stop());

const servers = () => ({
  temporalAddress: inject('temporalAddress'),
  databaseUrl: inject('databaseUrl'),
});

async function refused(options: Partial<PerduraWorkerOptions>): Promise<unknown> {
  const connection = await NativeConnection.connect({ address: inject('temporalAddress') });
  onTestFinished(() => connection.close());
  const config = { agents: [h.agent()], tools: [], mcp: {}, providers: {} };
  const { databaseUrl } = servers();
  return createWorker({ config, connection, databaseUrl, taskQueue: h.taskQueue, ...options }).then(
    () => 'not refused',
    (error: unknown) => error,
  );
}

describe('createWorker', () => {
  it('activities of one’s own with a name of Perdura’s → Config.Invalid, which names it', async () => {
    const activities = { callModel: () => 1, spill: () => 2, mine: () => 3 };
    expect(await refused({ activities })).toMatchObject({
      type: 'Config.Invalid',
      message: expect.stringMatching(
        /^createWorker\(\{ activities \}\) has "callModel", "spill", which Perdura has itself: .*Taken are: .*openSession/,
      ) as string,
    });
  });

  it('activities among Temporal’s own options → Config.Invalid, and where they belong', async () => {
    const worker = { activities: { mine: () => 1 } } as object;
    expect(await refused({ worker })).toMatchObject({
      type: 'Config.Invalid',
      message: expect.stringContaining('hand yours over as createWorker({ activities })') as string,
    });
  });
});

describe('runWorker', () => {
  const settings = () => {
    const { temporalAddress, databaseUrl } = servers();
    return readSettings(
      {
        TEMPORAL_ADDRESS: temporalAddress,
        DATABASE_URL: databaseUrl,
        PERDURA_TENANT: h.tenant,
        PERDURA_TASK_QUEUE: h.taskQueue,
        OPENAI_BASE_URL: h.model.baseUrl,
      },
      temporaryFolder(),
    );
  };

  it('signal: aborted while it serves → ends in order, and leaves no handler behind', async () => {
    const before = process.listenerCount('SIGTERM');
    const stop = new AbortController();
    let ready = () => {};
    const polls = new Promise<void>((resolve) => (ready = resolve));
    const running = runWorker(settings(), { ready, signal: stop.signal });
    await Promise.race([polls, running]);
    h.model.enqueue('served');
    const session = await h.runtime.start();
    expect((await session.ask('anybody?')).text).toBe('served');
    stop.abort();
    await running;
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });

  it('signal: aborted before → no worker is started', async () => {
    let started = false;
    await runWorker(settings(), {
      ready: () => (started = true),
      signal: AbortSignal.abort(),
    });
    expect(started).toBe(false);
  });
});

describe('await using', () => {
  it('a runtime, a stack → closed at the end of the scope; closed before → no harm', async () => {
    let database: AgentRuntime;
    {
      await using runtime = await AgentRuntime.connect(servers());
      await runtime.sessions({ limit: 1 });
      database = runtime;
    }
    await expect(database.sessions({ limit: 1 })).rejects.toThrow();
    {
      await using stack = await startTestStack({ ...servers(), start: false });
      await stack.stop();
    }
  });

  it('a stack with the offline model → answers by its rules, under its name, at no cost', async () => {
    await using stack = await startTestStack({ ...servers(), model: 'offline' });
    const session = await stack.runtime.start({ agent: 'assistant' });
    const { text, usage } = await session.ask('What is 17 * 23?');
    expect(text).toContain('17 * 23 = 391');
    expect(usage.input).toBeGreaterThan(0);
    expect(await session.record()).toMatchObject({ costMicros: 0 });
    const { turns } = await session.timeline();
    expect(turns[0]!.steps.flatMap(({ attempts }) => attempts)).toMatchObject([
      { model: OFFLINE_MODEL, outcome: 'completed', costMicros: 0 },
    ]);
    expect(() => stack.model).toThrow("model: 'offline'");
  });
});
