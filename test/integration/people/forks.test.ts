/** Forks and checkpoints: two sessions go on from one past, which is kept once. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { PerduraError, ToolContent, tool, type Session } from '../../../src/index.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/eventually.js';
import { historiesOf, userTexts } from '../../support/observe.js';
import { replayHistory } from '../../../src/testing/replay.js';

const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

describe('forks', () => {
  let h: Harness;
  let database: pg.Client;
  beforeAll(async () => {
    h = await Harness.start({
      tools: [
        tool({
          name: 'look',
          description: 'A picture.',
          effect: 'read',
          execute: () => new ToolContent([{ type: 'image', mediaType: 'image/png', data: PIXEL }]),
        }),
        tool({
          name: 'pay',
          description: 'Pays.',
          highRisk: true,
          execute: () => 'paid',
        }),
      ],
    });
    database = new pg.Client({ connectionString: inject('databaseUrl') });
    await database.connect();
  });
  afterAll(async () => {
    await database.end();
    await h.stop();
  });

  const manager = () => h.runtime.sessionManager();
  const talk = async (session: Session, from: number, to: number) => {
    for (let turn = from; turn <= to; turn++) {
      h.model.enqueue(`answer ${turn}`);
      await session.ask(`question ${turn}`);
    }
  };
  const rows = async (session: string) => {
    const { rows: found } = await database.query<{ count: string }>(
      'select count(*) from perdura.messages where tenant = $1 and transcript = $2',
      [h.tenant, session],
    );
    return Number(found[0]!.count);
  };
  const refusal = (doing: Promise<unknown>) =>
    doing.then(
      () => undefined,
      (error: unknown) => (error instanceof PerduraError ? error.type : error),
    );

  it('P7 fork: 50 turns, forked at turn 20 → both go on, the past is kept once, an image of turn 3 is seen', async () => {
    const session = await h.runtime.start({ session: 'long', context: { user: 'alice' } });
    await talk(session, 1, 2);
    h.model.enqueue({ toolCalls: [{ name: 'look' }] }, 'answer 3');
    await session.ask('question 3');
    await talk(session, 4, 50);
    const before = await rows('long');
    const fork = await manager().fork('long', { turn: 20, session: 'other' });
    expect([await rows('long'), await rows('other')]).toEqual([before, 0]);

    h.model.enqueue('another answer 21', 'answer 51');
    expect(await fork.ask('another question 21')).toMatchObject({
      turn: 21,
      text: 'another answer 21',
    });
    const seen = h.model.requests.at(-1)!;
    const questions = seen.messages
      .filter(({ role, text }) => role === 'user' && text.includes('question'))
      .map(({ text }) => text);
    expect(questions).toEqual([
      ...Array.from({ length: 20 }, (_, i) => `question ${i + 1}`),
      'another question 21',
    ]);
    expect(JSON.stringify(seen.body)).toContain(PIXEL);
    expect((await session.ask('question 51')).turn).toBe(51);
    expect(JSON.stringify(h.model.requests.at(-1)!.body)).not.toContain('another');
    expect([await rows('long'), await rows('other')]).toEqual([before + 2, 2]);
    expect((await fork.record())!).toMatchObject({
      turns: 21,
      fork: { session: 'long', turn: 20 },
    });
    expect(userTexts(await fork.transcript())).toHaveLength(21);
    for (const events of await historiesOf(h, fork.workflowId)) await replayHistory({ events });
  }, 120_000);

  it('P7 fork: of a fork, before and behind the place where that was made → shares what both share', async () => {
    const session = await h.runtime.start({ session: 'a' });
    await talk(session, 1, 4);
    const b = await manager().fork('a', { turn: 3, session: 'b' });
    await talk(b, 4, 5);
    const c = await manager().fork('b', { turn: 2, session: 'c' });
    const d = await manager().fork('b', { turn: 5, session: 'd' });
    const texts = async (of: Session) => userTexts(await of.transcript());
    expect(await texts(c)).toEqual(['question 1', 'question 2']);
    expect(await texts(d)).toEqual([1, 2, 3, 4, 5].map((n) => `question ${n}`));
    await talk(c, 3, 3);
    await talk(d, 6, 6);
    expect((await c.record())!.turns).toBe(3);
    expect((await d.record())!.turns).toBe(6);
    expect(await texts(session)).toHaveLength(4);
  });

  it('P7 fork: the session is reset behind the place, or the turn is rolled back → the fork keeps its past', async () => {
    const session = await h.runtime.start({ session: 'reset' });
    await talk(session, 1, 3);
    const fork = await manager().fork('reset', { session: 'kept' });
    // As a reset of the workflow does it: a run that knows only the first turn.
    await database.query(
      `select perdura.append($1::jsonb)`,
      [
        JSON.stringify({
          tenant: h.tenant, session: 'reset', transcript: 'reset', run: 'a-reset', stage: 1, head: 2,
          messages: [{ seq: 3, key: 'mz', turn: 2, step: 1, attempt: 1, messageId: 'z',
            body: { role: 'user', id: 'z', text: 'another 2' } }],
          events: [], channel: 'none',
        }),
      ],
    ); // prettier-ignore
    expect(userTexts(await session.transcript())).toEqual(['question 1', 'another 2']);
    expect(userTexts(await fork.transcript())).toEqual(['question 1', 'question 2', 'question 3']);
  });

  it('P7 fork: a turn that has not ended, one that is not, a name that is taken, another fork of the name → refused; the same again → the same', async () => {
    const session = await h.runtime.start({ session: 'busy' });
    await talk(session, 1, 1);
    h.model.enqueue({ toolCalls: [{ name: 'pay' }] }, 'Paid.');
    await session.send('pay');
    const [request] = await eventually(
      () => h.runtime.inbox.list({ session: 'busy' }),
      ({ length }) => length === 1,
    );
    const { fork } = { fork: manager().fork.bind(manager()) };
    expect(await refusal(fork('busy', { turn: 2 }))).toBe('Fork.Invalid');
    expect(await refusal(fork('busy', { turn: 9 }))).toBe('Fork.Invalid');
    expect(await refusal(fork('busy', { turn: -1 }))).toBe('Fork.Invalid');
    expect(await refusal(fork('nobody'))).toBe('Session.NotFound');
    expect(await refusal(fork('busy', { turn: 1, session: 'busy' }))).toBe('Fork.Invalid');
    const one = await fork('busy', { session: 'same' });
    expect((await one.record())!.turns).toBe(1);
    const all = Array.from({ length: 8 }, () => fork('busy', { session: 'same' }));
    expect((await Promise.all(all)).map(({ id }) => id)).toEqual(Array(8).fill('same'));
    expect(await refusal(fork('busy', { turn: 0, session: 'same' }))).toBe('Fork.Invalid');
    await h.runtime.inbox.approve(request!.id, { by: 'bob', remember: 'session' });
    await eventually(
      () => session.record(),
      (record) => record?.state === 'idle',
    );
    // What was decided and is remembered stays decided in a fork; the other one asks again.
    const knows = await fork('busy', { session: 'knows' });
    h.model.enqueue({ toolCalls: [{ name: 'pay' }] }, 'Paid again.');
    expect((await knows.ask('pay again')).text).toBe('Paid again.');
    h.model.enqueue({ toolCalls: [{ name: 'pay' }] }, 'Not paid.');
    await one.send('pay');
    const [asked] = await eventually(
      () => h.runtime.inbox.list({ session: 'same' }),
      ({ length }) => length === 1,
    );
    await h.runtime.inbox.decline(asked!.id, { by: 'bob' });
    await eventually(
      () => one.record(),
      (record) => record?.state === 'idle' && record.turns === 2,
    );
  });

  it('A3 checkpoint: saved, listed, resumed, named anew, removed, expired', async () => {
    const session = await h.runtime.start({ session: 'saved' });
    await talk(session, 1, 2);
    await manager().saveCheckpoint('saved', 'two', { note: 'after two' });
    await talk(session, 3, 3);
    expect(await manager().checkpoints('saved')).toMatchObject([
      { name: 'two', turn: 2, note: 'after two' },
    ]);
    const again = await manager().resume('saved', 'two', { session: 'from-two' });
    expect((await again.record())!.fork).toEqual({ session: 'saved', turn: 2, checkpoint: 'two' });
    expect(userTexts(await again.transcript())).toHaveLength(2);
    expect(await refusal(manager().resume('saved', 'three'))).toBe('Checkpoint.NotFound');
    expect(await refusal(manager().saveCheckpoint('saved', 'x', { turn: 4 }))).toBe('Fork.Invalid');
    expect(await refusal(manager().saveCheckpoint('saved', '\ud83d'))).toBe('Fork.Invalid');
    await manager().saveCheckpoint('saved', 'two', {
      turn: 1,
      expiresAt: new Date(Date.now() - 1),
    });
    expect(await manager().checkpoints('saved')).toEqual([]);
    expect((await manager().cleanUp()).checkpoints).toBe(1);
    expect(await manager().removeCheckpoint('saved', 'two')).toBe(false);
  });

  it('P7 edit: another message in the place of one → a fork that goes on from before it', async () => {
    const session = await h.runtime.start({ session: 'edited' });
    h.model.enqueue('Paris.', 'Rome.', 'Madrid.');
    await session.ask({ id: 'first', text: 'Capital of France?' });
    await session.ask({ id: 'second', text: 'Of Italy?' });
    const { session: other } = await manager().edit('edited', 'second', 'Of Spain?');
    await eventually(
      () => other.record(),
      (record) => record?.state === 'idle' && record.turns === 2,
    );
    expect(userTexts(await other.transcript())).toEqual(['Capital of France?', 'Of Spain?']);
    expect(await refusal(manager().edit('edited', 'third', 'x'))).toBe('Message.NotFound');
  });

  it('P7 fork: begun by a message of another sender → runs for the user of its past', async () => {
    const session = await h.runtime.start({ session: 'mine', context: { user: 'carol' } });
    await talk(session, 1, 1);
    const fork = await manager().fork('mine', { session: 'mailed' });
    h.model.enqueue({ toolCalls: [{ name: 'pay' }] }, 'Not paid.');
    await h.runtime.messages.send({ to: 'mailed', from: 'dave', text: 'Pay me.' });
    const [request] = await eventually(
      () => h.runtime.inbox.list({ session: 'mailed' }),
      ({ length }) => length === 1,
    );
    // Neither for whom it runs nor who has written may decide.
    expect(request!.requesters).toEqual(['carol', 'dave']);
    const { inbox } = h.runtime;
    expect(await refusal(inbox.approve(request!.id, { by: 'carol' }))).toBe('Request.Forbidden');
    await inbox.decline(request!.id, { by: 'bob' });
    await eventually(
      () => fork.record(),
      (record) => record?.state === 'idle' && record.turns === 2,
    );
  });

  it('A3 clean up: sessions that nobody has used for long are ended, others are left', async () => {
    const session = await h.runtime.start({ session: 'unused' });
    await talk(session, 1, 1);
    await database.query(
      `update perdura.sessions set updated_at = now() - interval '2 days'
        where tenant = $1 and session = 'unused'`,
      [h.tenant],
    );
    const { ended } = await manager().cleanUp({ idleForMs: 24 * 3_600_000 });
    expect(ended).toEqual(['unused']);
    expect((await manager().get('saved'))!.state).toBe('idle');
  });
});
