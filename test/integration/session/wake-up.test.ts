import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { AgentRuntime } from '../../../src/client/agent-runtime.js';
import { DEFAULT_LIMITS } from '../../../src/contracts/agent.js';
import { migrate } from '../../../src/store/migrate.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { buildBundle } from '../../../worker/bundle.js';
import { createWorker, type PerduraWorker } from '../../../worker/create-worker.js';
import { CACHED_WORKFLOWS } from '../../support/cached-workflows.js';
import { eventually, runsOf, userTexts } from '../../support/observe.js';
import { startTimeSkipping } from '../../support/time-skipping.js';
import type { Session } from '../../../src/client/session.js';

const DAY = 24 * 3_600_000;
const WOKEN = 'The wake-up time that was asked for has come.';

/** On the Java test server, whatever server the run is on: only it skips time when nobody works. */
describe('wake-up, on a server that skips time', () => {
  let env: TestWorkflowEnvironment;
  let worker: PerduraWorker;
  let running: Promise<void>;
  let runtime: AgentRuntime;
  let model: ScriptedModel;
  const tenant = `wake-${Date.now().toString(36)}`;

  beforeAll(async () => {
    const databaseUrl = inject('databaseUrl');
    await migrate(databaseUrl);
    env = await startTimeSkipping();
    model = await ScriptedModel.start();
    model.reply(/^/, (request) => `re: ${request.lastUserText}`);
    runtime = await AgentRuntime.connect({
      connection: env.connection,
      databaseUrl,
      tenant,
      taskQueue: tenant,
    });
    worker = await createWorker({
      config: {
        agents: [
          {
            name: 'assistant',
            instructions: 'You are a test.',
            provider: 'default',
            model: 'gpt-test',
            temperature: null,
            maxTokens: 1_000,
            tools: [],
            mcp: [],
            unread: 'all',
            limits: DEFAULT_LIMITS,
          },
        ],
        tools: [],
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
    running = worker.run();
  });
  afterAll(async () => {
    worker.shutdown();
    await running;
    await runtime.close();
    await model.stop();
    await env.teardown();
  });

  const texts = async (session: Session) => userTexts(await session.transcript());
  const settled = (session: Session, count: number) =>
    eventually(async () => {
      const { turn, state } = await session.status();
      return turn === count && state === 'idle';
    });

  it('wakeUpAfter: 30 days of sleep → the agent wakes once, on that day, and not before', async () => {
    const session = await runtime.start({ message: 'hello' });
    await settled(session, 1);
    const before = await env.currentTimeMs();
    await session.wakeUpAfter(30 * DAY);
    await env.sleep(29 * DAY);
    expect(await texts(session)).toEqual(['hello']);
    await env.sleep(2 * DAY);
    await settled(session, 2);
    expect(await texts(session)).toEqual(['hello', WOKEN]);
    expect((await env.currentTimeMs()) - before).toBeGreaterThanOrEqual(31 * DAY);
    await env.sleep(60 * DAY);
    expect(await texts(session)).toHaveLength(2);
  });

  it('wakeUpAfter: a message comes before → that woke the agent, the time passes unnoticed', async () => {
    const session = await runtime.start({ message: 'hello' });
    await settled(session, 1);
    await session.wakeUpAfter(DAY);
    await env.sleep(DAY / 2);
    await session.send('earlier');
    await settled(session, 2);
    await env.sleep(2 * DAY);
    expect(await texts(session)).toEqual(['hello', 'earlier']);
  });

  it('wakeUpAfter: asked for again → the newest counts', async () => {
    const session = await runtime.start({ message: 'hello' });
    await settled(session, 1);
    await session.wakeUpAfter(DAY);
    await session.wakeUpAfter(3 * DAY);
    await env.sleep(2 * DAY);
    expect(await texts(session)).toEqual(['hello']);
    await env.sleep(2 * DAY);
    await settled(session, 2);
    expect(await texts(session)).toEqual(['hello', WOKEN]);
  });

  it('wakeUpAfter: paused at that time → wakes when it is resumed', async () => {
    const session = await runtime.start({ message: 'hello' });
    await settled(session, 1);
    await session.wakeUpAfter(DAY);
    await session.pause();
    await env.sleep(2 * DAY);
    expect(await texts(session)).toEqual(['hello']);
    await session.resume();
    await settled(session, 2);
    expect(await texts(session)).toEqual(['hello', WOKEN]);
  });

  it('idle: nothing was asked for → a year passes without a timer or an event', async () => {
    const session = await runtime.start({ message: 'hello' });
    await settled(session, 1);
    const h = { runtime } as never;
    const [before] = await runsOf(h, session.workflowId);
    await env.sleep(365 * DAY);
    const [after] = await runsOf(h, session.workflowId);
    expect(after!.events).toBe(before!.events);
    expect(after!.types.filter((type) => type.startsWith('timer'))).toEqual([]);
    await session.send('good morning');
    await settled(session, 2);
    expect(await texts(session)).toEqual(['hello', 'good morning']);
  });
});
