/** What a model call may take, and cost, over all its attempts. */
import { afterEach, describe, expect, inject, it, onTestFinished } from 'vitest';
import { AttemptLog } from '../../../src/store/attempts.js';
import { openDatabase } from '../../../src/store/database.js';
import type { Session } from '../../../src/client/session.js';
import { tool } from '../../../src/contracts/define-tool.js';
import { startTestStack } from '../../../src/testing/test-stack.js';
import { DatabaseGate } from '../../support/databases.js';
import { Harness, type HarnessOptions } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';

/** Streams far beyond any deadline of these tests. */
const ENDLESS = { text: 'word '.repeat(5_000), chunkSize: 5, chunkDelayMs: 10 } as const;

const read = tool({
  name: 'read',
  description: 'Reads.',
  effect: 'read',
  run: 'local',
  execute: () => 'read',
});

describe('model', () => {
  let h: Harness;
  const start = async (options: HarnessOptions) =>
    (h = await Harness.start({ agent: { model: 'gpt-4o', ...options.agent }, ...options }));
  afterEach(() => h?.stop());

  /** What is on record: the attempts, and the cost of the turns that have ended, millionths of a USD. */
  const recordsOf = async ({ tenant, id }: Session) => {
    const database = openDatabase(inject('databaseUrl'), { maxConnections: 1 });
    try {
      const attempts = await new AttemptLog(database).list({ tenant, session: id });
      const { rows } = await database.pool.query<{ cost: number }>(
        `select coalesce(sum((body->'usage'->>'costMicros')::int), 0)::int as cost
          from perdura.events where tenant = $1 and session = $2
            and type in ('turn.completed', 'turn.failed', 'turn.interrupted')`,
        [tenant, id],
      );
      return { attempts, inTurns: rows[0]!.cost };
    } finally {
      await database.close();
    }
  };

  /** Each attempt's bill counts once: in the session, in its turns, in the workflow. */
  const expectOneBill = async (session: Session) => {
    const { attempts, inTurns } = await recordsOf(session);
    const sum = (of: 'inputTokens' | 'outputTokens' | 'costMicros') =>
      attempts.reduce((total, attempt) => total + attempt[of], 0);
    const bill = {
      inputTokens: sum('inputTokens'),
      outputTokens: sum('outputTokens'),
      costMicros: sum('costMicros'),
    };
    expect(bill.costMicros).toBeGreaterThan(0);
    expect(await session.record()).toMatchObject(bill);
    // The last write of a turn comes before its workflow hears of it.
    const { inputTokens: input, outputTokens: output, costMicros } = bill;
    await eventually(async () => (await session.status()).usage.costMicros === costMicros);
    expect((await session.status()).usage).toMatchObject({ input, output, costMicros });
    expect(inTurns).toBe(bill.costMicros);
    return attempts;
  };

  it('F14 deadline: the model streams past it → Model.DeadlineExceeded, a bounded number of attempts, all of them billed', async () => {
    await start({ settings: { modelTimeoutMs: 400, maxModelAttempts: 2 } });
    h.model.reply('x', ENDLESS);
    h.model.reply('y', 'fine');
    const session = await h.runtime.start();
    await expect(session.ask('x')).rejects.toMatchObject({ type: 'Model.DeadlineExceeded' });
    expect(h.model.requests).toHaveLength(2);
    // The connection is closed: the provider does not go on writing at our cost.
    await h.model.until(({ closedEarly }) => closedEarly.length === 2);
    const attempts = await expectOneBill(session);
    expect(attempts).toMatchObject([
      { outcome: 'failed', failure: { type: 'Model.DeadlineExceeded' }, estimated: true },
      { outcome: 'failed', failure: { type: 'Model.DeadlineExceeded' }, estimated: true },
    ]);
    for (const { outputTokens } of attempts) expect(outputTokens).toBeGreaterThan(0);
    expect((await session.ask('y')).text).toBe('fine');
    await expectOneBill(session);
  });

  it('F14 deadline: once, then in time → the answer has its own usage, the turn has that of both', async () => {
    await start({ settings: { modelTimeoutMs: 400 } });
    h.model.enqueue(ENDLESS, { text: 'short', usage: { input: 10, output: 2 } });
    const session = await h.runtime.start();
    const { text, usage } = await session.ask('x');
    expect(text).toBe('short');
    const [late] = await expectOneBill(session);
    expect(usage.output).toBe(late!.outputTokens + 2);
    const answer = (await session.transcript()).at(-1)!;
    expect(answer.usage).toMatchObject({ input: 10, output: 2 });
  });

  it.each([
    ['the stream is cut', { cutAfter: 30 }],
    ['nothing more comes', { hang: 30 }],
  ])(
    'F14 stream: in the middle of tool arguments (%s) → what was written is billed',
    async (_, cut) => {
      await start({ stallTimeoutMs: 500, tools: [read] });
      const toolCalls = [{ name: 'read', arguments: { path: 'x'.repeat(2_000) } }];
      h.model.enqueue({ toolCalls, chunkSize: 20, ...cut }, 'done');
      const session = await h.runtime.start();
      await session.ask('x');
      const [first] = await expectOneBill(session);
      expect(first).toMatchObject({ outcome: 'failed', estimated: true });
      expect(first!.outputTokens).toBeGreaterThan(50);
    },
  );

  it('F13 model: 500 in the second step of an activity → its usage is that of each attempt, once', async () => {
    await start({ tools: [read] });
    const usage = { input: 100, output: 10 };
    const call = { toolCalls: [{ name: 'read' }], usage };
    h.model.enqueue(call, { text: 'cut off here', cutAfter: 1 }, { error: { status: 500 } });
    h.model.enqueue(call, { text: 'done', usage });
    const session = await h.runtime.start();
    await session.ask('x');
    const attempts = await expectOneBill(session);
    expect(attempts.map(({ step, outcome }) => [step, outcome])).toEqual([
      [1, 'completed'],
      [2, 'failed'],
      [2, 'failed'],
      [2, 'completed'],
      [3, 'completed'],
    ]);
  });

  it('F13 model: refused without a word → costs nothing; the turn that fails has what its steps cost', async () => {
    await start({ tools: [read] });
    h.model.enqueue({ toolCalls: [{ name: 'read' }], usage: { input: 100, output: 10 } });
    h.model.enqueue({ error: { status: 400, message: 'no' } });
    const session = await h.runtime.start();
    await expect(session.ask('x')).rejects.toMatchObject({ type: 'Model.BadRequest' });
    const attempts = await expectOneBill(session);
    expect(attempts.map(({ costMicros }) => costMicros > 0)).toEqual([true, false]);
  });

  it.each([3e9, 12.5, -1])(
    'usage: the provider reports %d tokens → answered at the first attempt, whole numbers on record',
    async (tokens) => {
      await start({});
      h.model.enqueue({ text: 'ok', usage: { input: tokens, output: tokens, cached: tokens } });
      const session = await h.runtime.start();
      expect((await session.ask('x')).text).toBe('ok');
      expect(h.model.requests).toHaveLength(1);
      const [attempt] = await expectOneBill(session);
      expect(attempt!.inputTokens).toBeLessThan(1_000);
    },
  );

  it('worker: stopped in order in every attempt → none is used up, one answer', async () => {
    await start({ settings: { maxModelAttempts: 1 }, worker: { shutdownGraceTime: 50 } });
    h.model.enqueue(ENDLESS, ENDLESS, ENDLESS, 'done');
    const session = await h.runtime.start();
    const asked = session.ask('x');
    for (const requests of [1, 2, 3]) {
      await h.model.until((model) => model.requests.length === requests);
      await h.stopWorker();
      await h.startWorker();
    }
    expect((await asked).text).toBe('done');
    const attempts = await expectOneBill(session);
    expect(attempts.map(({ failure }) => failure?.type)).toEqual([
      'Worker.Shutdown',
      'Worker.Shutdown',
      'Worker.Shutdown',
      undefined,
    ]);
  });

  it('steps: 30 in one activity → no listener is left on its signals', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    try {
      await start({ tools: [read], agent: { model: 'gpt-4o', limits: { stepsPerActivity: 40 } } });
      for (let i = 0; i < 30; i++) h.model.enqueue({ toolCalls: [{ name: 'read' }] });
      h.model.enqueue('done');
      const session = await h.runtime.start();
      expect((await session.ask('x')).text).toBe('done');
      await new Promise((resolve) => setImmediate(resolve));
      expect(warnings.map(({ name, message }) => `${name}: ${message}`)).toEqual([]);
    } finally {
      process.off('warning', listen);
    }
  });

  it('F25 database: down when the answer is complete → the answer waits for it, and is not paid again', async () => {
    const gate = await DatabaseGate.before(inject('databaseUrl'));
    onTestFinished(() => gate.close());
    const temporalAddress = inject('temporalAddress');
    await using stack = await startTestStack({ temporalAddress, databaseUrl: gate.url });
    // Pieces that are long enough to be heard, and an end that comes when nobody listens.
    stack.model.reply('x', { text: 'word '.repeat(30), chunkSize: 5, chunkDelayMs: 10 });
    const session = await stack.runtime.start();
    await session.send({ id: 'x', text: 'x' });
    for await (const item of session.events()) if (item.type === 'delta') break;
    gate.down();
    await eventually(() => gate.refused > 8);
    gate.up();
    expect((await session.answerTo('x')).text).toBe('word '.repeat(30));
    expect(stack.model.requests).toHaveLength(1);
  });
});
