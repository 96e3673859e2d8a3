/** Agents of a pool: who works, who waits, what is seen of it, and what becomes of those that stop. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { AgentPool } from '../../../src/client/agent-pool.js';
import type { Session } from '../../../src/client/session.js';
import { tool } from '../../../src/contracts/define-tool.js';
import type { SessionEvent } from '../../../src/contracts/events.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { GatedModel } from '../../support/gated-model.js';
import { Harness, type HarnessOptions } from '../../support/harness.js';
import { eventually, historiesOf, runsOf } from '../../support/observe.js';

let h: Harness;
let model: GatedModel;
let pool: AgentPool;
const sessions: Session[] = [];

/** A worker whose agent is in a pool of its own. */
async function start(
  limits: NonNullable<HarnessOptions['pools']>[string],
  { agent = {}, ...options }: HarnessOptions = {},
): Promise<void> {
  const name = `p${randomBytes(6).toString('hex')}`;
  h = await Harness.start({
    agent: { pool: { name }, ...agent },
    pools: { [name]: limits },
    ...options,
  });
  h.model.reply(
    ({ messages, lastUserText }) => lastUserText === 'look' && messages.at(-1)?.role !== 'tool',
    { toolCalls: [{ name: 'look', arguments: {} }] },
  );
  h.model.reply('look', 'Seen.');
  h.model.reply('bad', { error: { status: 400, message: 'no' } });
  model = new GatedModel(h.model);
  pool = h.runtime.pool(name);
}

/** Sessions with a message each, in this order in line. */
async function say(...texts: string[]): Promise<Session[]> {
  const begun: Session[] = [];
  for (const text of texts) {
    const session = await h.runtime.start({ message: text });
    sessions.push(session);
    begun.push(session);
    await eventually(async () =>
      (await eventsOf(session)).some(({ type }) => /^pool\.waiting|step\.started/.test(type)),
    );
  }
  return begun;
}

async function eventsOf(session: Session): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  for await (const item of session.events({ live: false })) {
    if ('n' in item) events.push(item);
  }
  return events;
}
const types = async (session: Session) => (await eventsOf(session)).map(({ type }) => type);
const state = async () => {
  const { atWork, waiting } = await pool.status();
  return { atWork, waiting };
};
const free = () => eventually(async () => (await state()).atWork === 0);

afterEach(async () => {
  model.release();
  try {
    for (const { workflowId } of sessions.splice(0)) {
      for (const events of await historiesOf(h, workflowId)) {
        await replayHistory({ events }, { workflowId });
      }
    }
  } finally {
    await h.stop();
  }
}, 60_000);

describe('a pool of one', () => {
  it('H9 three agents → one works, two wait with place and reason in events, status and list; each has its turn', async () => {
    await start({ maxAtWork: 1 });
    const [a, b, c] = await say('a', 'b', 'c');
    await model.atWork('a');
    const reason = 'the pool has 1 of 1 at work';
    // The event is there before its worker has told the workflow.
    const [told, behind] = await Promise.all(
      [b!, c!].map((session) =>
        eventually(async () => {
          const status = await session.status();
          return status.pool && status;
        }),
      ),
    );
    expect(told).toMatchObject({
      state: 'running',
      pool: { pool: pool.name, position: 1, reason, since: expect.any(Number) as number },
    });
    expect(behind).toMatchObject({ pool: { position: 2, reason } });
    expect((await a!.status()).pool).toBeUndefined();
    expect(await pool.waiting()).toMatchObject([
      { session: b!.id, position: 1, reason, agent: 'assistant', turn: 1 },
      { session: c!.id, position: 2, reason },
    ]);
    expect(await pool.working()).toMatchObject([{ session: a!.id }]);
    model.answer('a');
    await model.atWork('b');
    expect((await b!.status()).pool).toBeUndefined();
    model.answer('b');
    await model.atWork('c');
    model.answer('c');
    for (const [session, text] of [
      [a, 'a'],
      [b, 'b'],
      [c, 'c'],
    ] as const) {
      expect(
        (
          await session!.answerTo(
            (await eventsOf(session!)).find((e) => e.type === 'message.accepted')!.id,
          )
        ).text,
      ).toBe(`Answer to ${text}`);
    }
    await free();
    expect(model.most).toBe(1);
    expect(await types(b!)).toEqual([
      'session.started',
      'turn.started',
      'message.accepted',
      'pool.waiting',
      'pool.entered',
      'step.started',
      'step.completed',
      'turn.completed',
    ]);
    expect(await types(a!)).not.toContain('pool.entered');
    const { turns } = await b!.timeline();
    expect(turns[0]!.steps.map(({ attempts }) => attempts.length)).toEqual([1]);
    // Without a timer, and with one activity that asked and one that worked.
    const [run] = await runsOf(h, b!.workflowId);
    expect(run!.types.filter((type) => type.startsWith('timer'))).toEqual([]);
    expect(run!.types.filter((type) => type.startsWith('activityTaskScheduled'))).toHaveLength(3);
  });

  it('interrupted in line → leaves it at once, with its message in the transcript, and can be talked to', async () => {
    await start({ maxAtWork: 1 });
    const [, b, c] = await say('a', 'b', 'c');
    await b!.interrupt('no more');
    expect(await pool.waiting()).toMatchObject([{ session: c!.id, position: 1 }]);
    expect((await types(b!)).at(-1)).toBe('turn.interrupted');
    model.answer('a');
    await model.atWork('c');
    const again = b!.ask('b2');
    await eventually(async () => (await state()).waiting === 1);
    model.answer('c');
    await model.atWork('b2');
    model.answer('b2');
    expect((await again).text).toBe('Answer to b2');
    expect((await b!.transcript()).map(({ message }) => message.role)).toEqual([
      'user',
      'user',
      'assistant',
    ]);
  });

  it('ended in line → leaves it, and the session ends', async () => {
    await start({ maxAtWork: 1 });
    const [, b] = await say('a', 'b');
    await b!.end('enough');
    await eventually(async () => (await b!.record())?.state === 'terminated');
    expect(await state()).toEqual({ atWork: 1, waiting: 0 });
    model.answer('a');
    await free();
  });

  it('paused in line → leaves it and asks again when resumed; paused at work → gives its slot back after the step', async () => {
    await start({ maxAtWork: 1 });
    const [, b] = await say('a', 'b');
    await b!.pause();
    await eventually(async () => (await state()).waiting === 0);
    await b!.resume();
    await eventually(async () => (await state()).waiting === 1);
    model.answer('a');
    await model.atWork('b');
    model.answer('b');
    await free();
  });

  it('rolled back in line → the turn is forgotten, and the message that came waits in its place', async () => {
    await start({ maxAtWork: 1 });
    const [, b] = await say('a', 'b');
    await b!.send('b2', { whileWorking: 'rollback' });
    await eventually(async () => (await types(b!)).includes('turn.interrupted'));
    model.answer('a');
    await model.atWork('b2');
    model.answer('b2');
    await free();
    expect((await b!.transcript()).map(({ message }) => 'text' in message && message.text)).toEqual(
      ['b2', 'Answer to b2'],
    );
  });

  it('a turn that fails, one that is interrupted at work → each gives its slot back', async () => {
    await start({ maxAtWork: 1 });
    const [, , c] = await say('a', 'bad', 'c');
    model.answer('a');
    await model.atWork('c');
    await c!.interrupt();
    await free();
  });

  it('a history that is full → the next run asks again, and keeps its place in line', async () => {
    await start({ maxAtWork: 1 }, { settings: { historyLimit: 40 } });
    const [, b, c] = await say('a', 'b', 'c');
    const { since } = (await pool.waiting())[0]!;
    // Signals fill the history of a turn that waits beyond its limit.
    const handle = h.runtime.temporal.workflow.getHandle(b!.workflowId);
    for (let i = 0; i < 33; i++) {
      await Promise.all(Array.from({ length: 20 }, () => handle.signal('wakeUpAfter', 9e8)));
    }
    await eventually(async () => (await runsOf(h, b!.workflowId)).length > 1);
    await eventually(async () => (await types(b!)).filter((t) => t === 'pool.waiting').length > 1);
    expect(await pool.waiting()).toMatchObject([
      { session: b!.id, since, position: 1 },
      { session: c!.id },
    ]);
    model.answer('a');
    await model.atWork('b');
    model.answer('b');
    await model.atWork('c');
    model.answer('c');
    await free();
  }, 120_000);
});

describe('limits', () => {
  it('H9 changed while agents wait → those in line begin at once; a tenant keeps to its own', async () => {
    await start({ maxAtWork: 1 });
    await say('a', 'b', 'c', 'd');
    await pool.setLimits({ maxAtWork: 9, maxPerTenant: 3 });
    await model.atWork('a', 'b', 'c');
    expect(await pool.waiting()).toMatchObject([{ reason: 'the tenant has 3 of 3 at work' }]);
    await pool.setLimits({ maxAtWork: 0 });
    model.answer('a', 'b', 'c');
    await free();
    expect(await pool.waiting()).toMatchObject([{ reason: 'the pool is held: its maximum is 0' }]);
    await pool.setLimits({ maxAtWork: 1 });
    await model.atWork('d');
    model.answer('d');
    await free();
  });

  it('no such pool → the turn fails with Pool.Unknown, and the session goes on when there is one', async () => {
    h = await Harness.start({ agent: { pool: { name: `q${randomBytes(6).toString('hex')}` } } });
    pool = h.runtime.pool(h.agent().pool!.name);
    model = new GatedModel(h.model);
    const session = await h.runtime.start();
    await expect(session.ask('a')).rejects.toMatchObject({ type: 'Pool.Unknown' });
    await h.runtime.createPool(pool.name, { maxAtWork: 1 });
    const answer = session.ask('b');
    await model.atWork('b');
    model.answer('b');
    expect((await answer).text).toBe('Answer to b');
  });

  it('garbage → Pool.Invalid that names what is wrong', async () => {
    await start({ maxAtWork: 1 });
    for (const maxAtWork of [-1, 1.5, 1e9, NaN, '3' as never]) {
      await expect(pool.setLimits({ maxAtWork })).rejects.toMatchObject({ type: 'Pool.Invalid' });
    }
    for (const name of ['', 'a b', 'ü', '\ud800', '\0', 'x'.repeat(65)]) {
      expect(() => h.runtime.pool(name)).toThrow(/is not the name of a pool/);
    }
    await expect(pool.setLimits({ tenants: { 'no tenant!': 1 } })).rejects.toMatchObject({
      type: 'Pool.Invalid',
    });
    await expect(pool.prioritise('x', 1e6)).rejects.toMatchObject({ type: 'Pool.Invalid' });
    expect(await pool.prioritise('\0\ud800', 1)).toBe(false);
    await expect(h.runtime.createPool(pool.name, {} as never)).rejects.toMatchObject({
      type: 'Pool.Invalid',
    });
  });
});

describe('a turn that stands still', () => {
  it('H9 a parent and its sub-agent in a pool of one → no deadlock: the parent has no slot while it waits', async () => {
    const name = `p${randomBytes(6).toString('hex')}`;
    const agent = { pool: { name }, agents: [{ agent: 'assistant' }] } as const;
    h = await Harness.start({
      agent: { ...agent, policy: { allowCycles: true } },
      pools: { [name]: { maxAtWork: 1 } },
    });
    pool = h.runtime.pool(name);
    h.model.reply(
      ({ messages, lastUserText }) => lastUserText === 'lead' && messages.at(-1)?.role !== 'tool',
      { toolCalls: [{ name: 'assistant', arguments: { task: 'help' } }] },
    );
    h.model.reply(/lead/, 'With help.');
    h.model.reply(/help/, 'Helped.');
    const session = await h.runtime.start();
    sessions.push(session);
    expect((await session.ask('lead')).text).toBe('With help.');
    await free();
    expect((await pool.status()).byTenant).toMatchObject([{ grants: 3 }]);
  });

  it('a call that a person answers → its slot is free meanwhile, and it waits in line when it goes on', async () => {
    const look = tool({ name: 'look', description: 'Looks.', run: 'client' });
    await start({ maxAtWork: 1 }, { tools: [look] });
    const session = await h.runtime.start();
    sessions.push(session);
    const answer = session.ask('look');
    await eventually(async () => (await session.status()).waiting !== undefined);
    await free();
    const [other] = await say('other');
    await model.atWork('other');
    await session.answer((await session.status()).waiting![0]!.key, 'a garden');
    await eventually(async () => (await session.status()).pool !== undefined);
    expect(await pool.waiting()).toMatchObject([{ session: session.id }]);
    model.answer('other');
    expect((await answer).text).toBe('Seen.');
    await free();
    expect((await types(other!)).at(-1)).toBe('turn.completed');
  });
});
