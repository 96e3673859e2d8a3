/** What `append` does with what it should not be given. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { Usage } from '../../../src/contracts/message.js';
import { AttemptLog } from '../../../src/store/attempts.js';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { EventLog } from '../../../src/store/event-log.js';
import { migrate } from '../../../src/store/migrate.js';
import { StoredSession } from '../../support/store.js';

let database: Database;
beforeAll(async () => {
  await migrate(inject('databaseUrl'));
  database = openDatabase(inject('databaseUrl'));
});
afterAll(() => database.close());

const NONSENSE: [string, number, number][] = [
  ['a fraction', 12.5, 13],
  ['more than an int', 3e9, 2_147_483_647],
  ['infinite', Infinity, 2_147_483_647],
  ['not a number', NaN, 0],
  ['negative', -7, 0],
  ['a text', '12' as unknown as number, 0],
  ['missing', undefined as unknown as number, 0],
];

it.each(NONSENSE)(
  'usage: %s → the write succeeds, the number is whole and in range',
  async (_, given, kept) => {
    const session = await StoredSession.open(database);
    const { channel, store } = session;
    const usage: Usage = {
      input: given,
      output: given,
      cached: given,
      reasoning: given,
      costMicros: given,
    };
    const attempt = { kind: 'model', turn: 1, step: 1, attempt: 1, model: 'm', usage } as const;
    const writer = session.writer({ stage: 1 });
    await store.append(writer, { channel, attempt: { ...attempt, outcome: 'running' } });
    await new AttemptLog(database).noteSpoken(
      { ...session.key, run: 'run', stage: 1, step: 1, kind: 'model', attempt: 1 },
      usage,
    );
    await store.append(writer, {
      channel,
      attempt: { ...attempt, outcome: 'completed' },
      messages: [
        {
          seq: 1,
          key: 'a1.1',
          turn: 1,
          step: 1,
          attempt: 1,
          body: { role: 'assistant', id: 'a', text: 'answer', finish: 'stop', model: 'm' },
          usage,
        },
      ],
      events: [{ key: 't1.end', body: { type: 'turn.interrupted', turn: 1, usage } }],
    });
    const { rows } = await database.pool.query<{ input_tokens: number; output_tokens: number }>(
      'select input_tokens, output_tokens from perdura.attempts where session = $1',
      [session.id],
    );
    expect(rows).toEqual([{ input_tokens: kept, output_tokens: kept }]);
    const [message] = await store.read(session.key.tenant, session.id);
    expect(message!.usage).toMatchObject({ input: kept, reasoning: kept });
    const [event] = await new EventLog(database).read(session.key);
    expect(event).toMatchObject({ usage: { cached: kept } });
  },
);

const refusals = async ({ key }: StoredSession) =>
  (await new EventLog(database).read(key)).filter(({ type }) => type === 'message.refused');

it('F7 message: an id again with the same text → a duplicate, nothing is refused', async () => {
  const session = await StoredSession.open(database);
  await session.say('hello', 'one');
  expect(await session.say('hello', 'one')).toMatchObject({ duplicates: ['one'], conflicts: [] });
  expect(await refusals(session)).toEqual([]);
});

it('F7 message: an id again with another text → named as a conflict, refused with an event, also where the write is repeated', async () => {
  const session = await StoredSession.open(database);
  await session.say('hello', 'one');
  session.stage += 1;
  const other = session.saying('something else', 'one');
  const fresh = session.saying('new', 'two');
  const both = {
    ...other,
    messages: [...other.messages!, { ...fresh.messages![0]!, seq: session.head + 2 }],
    events: [...other.events!, { ...fresh.events![0]!, seq: session.head + 2 }],
  };
  for (let attempt = 1; attempt <= 2; attempt++) {
    const { duplicates, conflicts } = await session.store.append(session.writer(), both);
    expect({ duplicates, conflicts }).toEqual({ duplicates: ['one'], conflicts: ['one'] });
  }
  expect(await refusals(session)).toMatchObject([
    { id: 'one', reason: 'A message with this id and another text is in the transcript.' },
  ]);
  const texts = (await session.store.read(session.key.tenant, session.id)).map(
    ({ message }) => message.role === 'user' && message.text,
  );
  expect(texts).toEqual(['hello', 'new']);
});

it('F7 message: every message of a turn is such a conflict → no turn, and the refusal is told all the same', async () => {
  const session = await StoredSession.open(database);
  await session.say('hello', 'one');
  session.stage += 1;
  const { conflicts, lastEvent } = await session.store.append(session.writer(), {
    ...session.saying('something else', 'one'),
    updates: { state: 'running', turn: 2 },
    onlyIfNew: true,
  });
  expect(conflicts).toEqual(['one']);
  expect(lastEvent).toBe(2);
  expect(await refusals(session)).toHaveLength(1);
});
