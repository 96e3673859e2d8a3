/** Calls of tools with `run: 'workflow'`: nothing runs, somebody answers, sooner or later. */
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Session } from '../../../src/client/session.js';
import { tool } from '../../../src/contracts/define-tool.js';
import type { StreamItem } from '../../../src/contracts/events.js';
import { HANDLERS } from '../../../src/contracts/session.js';
import type { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { startTestStack, type TestStack } from '../../../src/testing/test-stack.js';
import { CACHED_WORKFLOWS } from '../../support/cached-workflows.js';
import { DatabaseProxy } from '../../support/database-proxy.js';
import { eventually, historiesOf, Reader, runsOf, userTexts } from '../../support/observe.js';
import { startSkippingStack, type SkippingStack } from '../../support/time-skipping.js';

const DAY = 24 * 3_600_000;
const question = { type: 'object', properties: { question: { type: 'string' } } } as const;
const asking = (name: string, timeoutMs?: number) =>
  tool({
    name,
    description: 'Asks a person.',
    run: 'workflow',
    parameters: question,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });

type Waiting = Extract<StreamItem, { type: 'tool.waiting' }>;

/** `call a b: q` calls the tools a and b with the question q; then it says what it was told. */
function script(model: ScriptedModel): void {
  model.reply(/^/, ({ messages, lastUserText }) => {
    const told = messages.slice(messages.findLastIndex(({ role }) => role !== 'tool') + 1);
    if (told.length > 0) return `told: ${told.map(({ text }) => text).join(' | ')}`;
    const [, names, asked] = /^call (.*): (.*)$/.exec(lastUserText) ?? [];
    if (names === undefined) return `re: ${lastUserText.slice(0, 20)}`;
    return {
      toolCalls: names.split(' ').map((name) => ({ name, arguments: { question: asked } })),
    };
  });
}

/** The event of a call that waits. */
async function waits(session: Session, name = 'approve'): Promise<Waiting> {
  for await (const item of session.events()) {
    if (item.type === 'tool.waiting' && item.name === name) return item;
  }
  throw new Error('the stream ended');
}

/** The keys that the workflow itself knows. */
const waitingKeys = async (session: Session) =>
  ((await session.status()).waiting ?? []).map(({ key }) => key);

/** The result that the transcript has, by the tool's name. */
const resultOf = async (session: Session, name = 'approve') => {
  const results = (await session.transcript()).flatMap(({ message }) =>
    message.role === 'tool' && message.name === name ? [message] : [],
  );
  expect(results).toHaveLength(1);
  return results[0]!;
};

describe('a call that waits', () => {
  let proxy: DatabaseProxy;
  let stack: TestStack;
  /** What the tool `slow` waits for. */
  let slow: Promise<void> = Promise.resolve();

  beforeAll(async () => {
    proxy = await DatabaseProxy.before(inject('databaseUrl'));
    stack = await startTestStack({
      config: {
        tools: [
          asking('approve'),
          asking('hurry', 300),
          tool({
            name: 'slow',
            description: 'Takes its time.',
            effect: 'read',
            parameters: question,
            execute: () => slow.then(() => 'slow'),
          }),
        ],
      },
      temporalAddress: inject('temporalAddress'),
      databaseUrl: proxy.url,
      settings: { historyLimit: 60 },
      worker: CACHED_WORKFLOWS,
    });
    script(stack.model);
  });
  afterEach(() => proxy.pass());
  afterAll(async () => {
    await stack.stop();
    await proxy.close();
  });

  /** A session in whose first turn these tools are called. */
  const calling = async (names = 'approve', asked = 'May I?') => {
    const session = await stack.runtime.start();
    const answer = session.ask(`call ${names}: ${asked}`);
    // Awaited by most tests, and never by those that interrupt it.
    answer.catch(() => undefined);
    return { session, answer };
  };

  it('call: of a tool that waits → an event with its key, answered through the SDK, the model is told', async () => {
    const { session, answer } = await calling();
    const { n, at, ...event } = await waits(session);
    expect(event).toEqual({
      type: 'tool.waiting',
      turn: 1,
      step: 1,
      callId: expect.any(String) as string,
      name: 'approve',
      key: 'c2.0',
      args: '{"question":"May I?"}',
      session: session.id,
      path: [],
    });
    expect({ n: typeof n, at: typeof at }).toEqual({ n: 'number', at: 'string' });
    await eventually(async () => (await waitingKeys(session)).includes(event.key));
    const toolNow = async () => (await session.timeline()).turns[0]!.steps[0]!.tools[0];
    expect(await toolNow()).toMatchObject({ attempts: 0, waiting: { key: 'c2.0' } });
    await session.answer(event.key, { yes: true });
    expect((await answer).text).toBe('told: {"yes":true}');
    expect(await toolNow()).toMatchObject({ result: { preview: '{"yes":true}' } });
    expect(await toolNow()).not.toHaveProperty('waiting');
    const reader = await new Reader().until(session, 'turn.completed');
    expect(reader.types().filter((type) => type.startsWith('tool.'))).toEqual([
      'tool.waiting',
      'tool.completed',
    ]);
    expect(await session.status()).not.toHaveProperty('waiting');
  });

  it('call: arguments of more than 512 characters → an event without them', async () => {
    const { session, answer } = await calling('approve', 'x'.repeat(600));
    const { key, args } = await waits(session);
    expect(args).toBeUndefined();
    await session.answer(key, 'yes');
    expect((await answer).text).toBe('told: yes');
  });

  it('call: answered by the update `answer` of a plain Temporal client → the model is told', async () => {
    const { session, answer } = await calling();
    const { key } = await waits(session);
    const handle = stack.runtime.temporal.workflow.getHandle(session.workflowId);
    const update = (given: object) => handle.executeUpdate(HANDLERS.answer, { args: [given] });
    await expect(update({ call: key })).rejects.toMatchObject({
      cause: { type: 'Request.Invalid' },
    });
    expect(await update({ call: key, output: ['a', 1] })).toEqual({ call: key });
    expect((await answer).text).toBe('told: ["a",1]');
  });

  it('call: refused with a reason → the model is told, as a failure', async () => {
    const { session, answer } = await calling();
    await session.refuse((await waits(session)).key, 'Not on a Friday.');
    expect((await answer).text).toBe('told: Not on a Friday.');
    expect((await resultOf(session)).failure).toMatchObject({ type: 'Tool.Failed' });
  });

  it('call: answered before the workflow knows of it → taken', async () => {
    const session = await stack.runtime.start();
    await session.ask('hello');
    // The answer that makes the call is committed, and its worker does not hear of it.
    const hold = proxy.hold(
      (sent) => (sent.includes('tool.waiting') ? 'call' : undefined),
      'reply',
    );
    const answer = session.ask('call approve: May I?');
    const { key } = await eventually(async () => {
      const reader = new Reader();
      for await (const item of session.events({ live: false })) reader.take(item);
      return reader.items.find((item) => item.type === 'tool.waiting');
    });
    const given = session.answer(key, 'yes');
    const accepted = eventually(async () => {
      const types = (await runsOf({ runtime: stack.runtime } as never, session.workflowId)).flatMap(
        (run) => run.types,
      );
      return types.filter((type) => type.includes('UpdateAccepted')).length === 3;
    });
    await Promise.race([accepted, given.then(() => Promise.reject(new Error('taken too early')))]);
    hold.release();
    await given;
    expect((await answer).text).toBe('told: yes');
  });

  it('call: answered after a while → its result says how long it has waited', async () => {
    const { session, answer } = await calling();
    const { key, at } = await waits(session);
    // The event is written before the workflow knows of the call, from which the time counts.
    await eventually(async () => (await session.status()).waiting?.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await session.answer(key, 'yes');
    await answer;
    const reader = new Reader();
    for await (const item of session.events({ live: false })) reader.take(item);
    const done = reader.items.find((item) => item.type === 'tool.completed')!;
    expect(done.ms).toBeGreaterThanOrEqual(150);
    expect(done.ms).toBeLessThanOrEqual(Date.parse(done.at) - Date.parse(at) + 1_000);
  });

  it('call: answered while another call of the same step runs → taken at once, both are told', async () => {
    let done: () => void = () => undefined;
    slow = new Promise((resolve) => (done = resolve));
    const { session, answer } = await calling('slow approve');
    await session.answer((await waits(session)).key, 'yes');
    done();
    expect((await answer).text).toBe('told: slow | yes');
  });

  it('call: answered twice → the first answer counts, Call.NotOpen, also while the first is being written', async () => {
    const { session, answer } = await calling();
    const { key } = await waits(session);
    await eventually(async () => (await waitingKeys(session)).includes(key));
    proxy.refuse();
    await session.answer(key, 'first');
    await eventually(() => proxy.refused > 0);
    await expect(session.answer(key, 'second')).rejects.toMatchObject({ type: 'Call.NotOpen' });
    proxy.pass();
    expect((await answer).text).toBe('told: first');
    await expect(session.answer(key, 'third')).rejects.toMatchObject({ type: 'Call.NotOpen' });
  });

  it('call: two wait, answered in another order → each gets its own', async () => {
    const { session, answer } = await calling('approve hurry approve');
    const { key } = await waits(session);
    await session.answer('c2.2', 'last');
    await session.answer(key, 'first');
    expect((await answer).text).toBe('told: first | Nobody answered "hurry" in time. | last');
  });

  it('call: nobody answers within its `timeoutMs` → Tool.Timeout, and the model is told', async () => {
    const { session, answer } = await calling('hurry');
    const { key, at, until } = await waits(session, 'hurry');
    expect(Math.abs(Date.parse(until!) - Date.parse(at) - 300)).toBeLessThan(5_000);
    expect((await answer).text).toBe('told: Nobody answered "hurry" in time.');
    expect((await resultOf(session, 'hurry')).failure).toMatchObject({ type: 'Tool.Timeout' });
    await expect(session.answer(key, 'late')).rejects.toMatchObject({ type: 'Call.NotOpen' });
  });

  it('F20 interrupt: while a call waits → the turn ends, the call with it, the session goes on', async () => {
    const { session, answer } = await calling();
    const { key } = await waits(session);
    expect(await session.interrupt('changed my mind')).toEqual({ interrupted: true, turn: 1 });
    await expect(answer).rejects.toMatchObject({ type: 'Turn.Interrupted' });
    await expect(session.answer(key, 'yes')).rejects.toMatchObject({ type: 'Call.NotOpen' });
    expect((await resultOf(session)).failure).toMatchObject({ type: 'Tool.Interrupted' });
    expect((await session.timeline()).turns[0]!.steps[0]!.tools[0]).not.toHaveProperty('waiting');
    expect((await session.ask('and now')).text).toBe('re: and now');
  });

  /** Fills the history until it is too long. Messages stay in the queue: the turn waits. */
  const fill = async (session: Session, fits: (sent: number) => Promise<boolean>, size = 10) => {
    let sent = 0;
    do {
      await session.send(`${'more '.repeat(size)}${++sent}`);
    } while (sent % 20 !== 0 || !(await fits(sent)));
    return sent;
  };

  it('continue-as-new: while a call waits and messages come in → it waits in the next run, nothing is lost', async () => {
    const { session, answer } = await calling();
    const { key } = await waits(session);
    const sent = await fill(session, async () => (await session.status()).runs > 2);
    expect(await session.status()).toMatchObject({ turn: 1, step: 1, waiting: [{ key }] });
    await session.answer(key, 'yes');
    expect(await answer).toMatchObject({ turn: 1, text: 'told: yes' });
    await eventually(async () => (await session.status()).queued === 0);
    await eventually(async () => userTexts(await session.transcript()).length === 1 + sent);
  });

  it('continue-as-new: a call is answered while the run is about to → the answer is not lost', async () => {
    const { session, answer } = await calling();
    const { key } = await waits(session);
    await eventually(async () => (await waitingKeys(session)).includes(key));
    const spills = async () => {
      const histories = await historiesOf({ runtime: stack.runtime } as never, session.workflowId);
      return histories
        .flat()
        .some((e) => e.activityTaskScheduledEventAttributes?.activityType?.name === 'spill');
    };
    // The queue is too long to be carried, and the store that would keep it is away.
    proxy.refuse();
    await fill(session, spills, 300);
    await session.answer(key, 'yes');
    proxy.pass();
    expect((await answer).text).toBe('told: yes');
  });

  it('pause: while a call waits, over continue-as-new → its answer is written, the next step waits for resume', async () => {
    const { session, answer } = await calling();
    const { key } = await waits(session);
    await session.pause();
    await fill(session, async () => (await session.status()).runs > 1);
    await session.answer(key, 'yes');
    await eventually(async () =>
      (await session.transcript()).some(({ message }) => message.role === 'tool'),
    );
    expect(await session.status()).toMatchObject({ state: 'paused', turn: 1, step: 1 });
    await session.resume();
    expect((await answer).text).toBe('told: yes');
  });
});

/** On the Java test server, whatever server the run is on: only it skips time when nobody works. */
describe('a call that waits for days, on a server that skips time', () => {
  let stack: SkippingStack;
  beforeAll(async () => {
    stack = await startSkippingStack([asking('approve'), asking('week', 7 * DAY)]);
    script(stack.model);
  });
  afterAll(() => stack.stop());

  const waiting = async (name: string) => {
    const session = await stack.runtime.start();
    await session.send({ id: 'm', text: `call ${name}: May I?` });
    const { key } = await waits(session, name);
    await eventually(async () => (await waitingKeys(session)).includes(key));
    return { session, key };
  };
  const lastRun = async (session: Session) =>
    (await runsOf({ runtime: stack.runtime } as never, session.workflowId)).at(-1)!;

  it('call: 30 days without an answer → no timer and no event, and answered then', async () => {
    const { session, key } = await waiting('approve');
    const before = await lastRun(session);
    await stack.env.sleep(30 * DAY);
    const after = await lastRun(session);
    expect(after).toEqual(before);
    expect(after.types.filter((type) => type.startsWith('timer'))).toEqual([]);
    await session.answer(key, 'at last');
    expect((await session.answerTo('m')).text).toBe('told: at last');
  });

  it('call: a deadline of a week → one timer, and Tool.Timeout on that day', async () => {
    const { session } = await waiting('week');
    await stack.env.sleep(6 * DAY);
    expect(await waitingKeys(session)).toHaveLength(1);
    await stack.env.sleep(2 * DAY);
    expect((await session.answerTo('m')).text).toBe('told: Nobody answered "week" in time.');
    const { types } = await lastRun(session);
    expect(types.filter((type) => type.startsWith('timerStarted'))).toHaveLength(1);
  });
});
