/** What a worker reads of a transcript that it does not have, and what it keeps from run to run. */
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { visiblePart } from '../../../src/context/context-builder.js';
import { toCached } from '../../../src/context/entries.js';
import { TranscriptCache } from '../../../activities/session/transcript-cache.js';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { migrate } from '../../../src/store/migrate.js';
import { StoredSession } from '../../support/store.js';

let database: Database;
beforeAll(async () => {
  await migrate(inject('databaseUrl'));
  database = openDatabase(inject('databaseUrl'));
});
afterAll(() => database.close());

/** Messages from place `from` to `to`, written by SQL. */
const fill = ({ key }: StoredSession, from: number, to: number) =>
  database.pool.query(
    `insert into perdura.messages (tenant, transcript, seq, key, epoch, stage, turn, step, attempt, message_id, body)
      select $1, $2, i, 'm' || i, 1, 0, 1, 0, 1, 'm' || i,
          json_build_object('role', 'user', 'id', 'm' || i, 'text', repeat('text ', 100))
        from generate_series($3::int, $4::int) i`,
    [key.tenant, key.session, from, to],
  );
const summarise = ({ key }: StoredSession, seq: number, to: number) =>
  database.pool.query(
    `insert into perdura.messages (tenant, transcript, seq, key, epoch, stage, turn, step, attempt, body)
      values ($1, $2, $3::int, 's' || $3, 1, 0, 1, 0, 1, json_build_object('role', 'summary',
        'text', 'up to here', 'covers', json_build_object('from', 1, 'to', $4::int)))`,
    [key.tenant, key.session, seq, to],
  );
const load = (cache: TranscriptCache, { key }: StoredSession, run: string, head: number) =>
  cache.load(key, key.session, run, head);

it('cache: 100,000 messages, most of them covered by a summary → a miss reads the rest alone', async () => {
  const session = await StoredSession.open(database);
  await fill(session, 1, 50_000);
  await summarise(session, 50_001, 49_990);
  await fill(session, 50_002, 100_000);
  await summarise(session, 100_001, 99_980);
  await fill(session, 100_002, 100_010);
  await database.pool.query('analyze perdura.messages');
  const cache = new TranscriptCache(session.store);
  const before = process.memoryUsage().heapUsed;
  const loaded = await load(cache, session, 'run', 100_010);
  expect(loaded.map(({ seq }) => seq)).toEqual(Array.from({ length: 30 }, (_, i) => 99_981 + i));
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000);
  // A head before the newest summary: the one before it counts.
  const earlier = await load(new TranscriptCache(session.store), session, 'run', 50_005);
  expect(earlier[0]!.seq).toBe(49_991);
  // What is covered can still be had.
  expect(await cache.find(session.key, session.id, 'run', 7)).toMatchObject({ id: 'm7' });
});

it('cache: read from the newest summary on → the model sees the same as of the whole transcript', async () => {
  const session = await StoredSession.open(database);
  await fill(session, 1, 20);
  await summarise(session, 21, 12);
  await fill(session, 22, 40);
  await summarise(session, 41, 30);
  await fill(session, 42, 45);
  const whole = await session.store.read(session.key.tenant, session.id);
  for (const head of [20, 21, 25, 41, 45]) {
    const part = await load(new TranscriptCache(session.store), session, 'run', head);
    const all = whole.filter(({ seq }) => seq <= head).map(toCached);
    expect(visiblePart(part)).toEqual(visiblePart(all));
  }
});

it('cache: a fork behind a summary of its parent → begins with that summary', async () => {
  const parent = await StoredSession.open(database, 'forks');
  await fill(parent, 1, 10);
  await summarise(parent, 11, 8);
  await fill(parent, 12, 20);
  await summarise(parent, 21, 19);
  const fork = await StoredSession.open(database, 'forks');
  await database.pool.query(
    'update perdura.transcripts set parent = $1, parent_seq = 15 where tenant = $2 and transcript = $3',
    [parent.id, 'forks', fork.id],
  );
  await fill(fork, 16, 18);
  const loaded = await load(new TranscriptCache(fork.store), fork, 'run', 18);
  expect(loaded.map(({ seq }) => seq)).toEqual([9, 10, 11, 12, 13, 14, 15, 16, 17, 18]);
});

/** A cache that has the first run's transcript, confirmed. */
async function cached() {
  const session = await StoredSession.open(database);
  const first = await session.say('one');
  await session.say('two');
  const cache = new TranscriptCache(session.store);
  await load(cache, session, 'run', 2);
  cache.confirm(session.key, session.id, 'run', first.generation);
  const read = vi.spyOn(session.store, 'read');
  return { session, cache, read };
}
/** The first write of another run that knows this head. */
const takeOver = (session: StoredSession) =>
  session.store.append(session.writer({ run: 'next', stage: 9, head: 2 }), { channel: 'none' });

it('cache: continue-as-new, nothing superseded → the next run uses what the first has read', async () => {
  const { session, cache, read } = await cached();
  const { generation } = await takeOver(session);
  cache.takeOver(session.key, session.id, 'next', generation);
  expect(await load(cache, session, 'next', 2)).toHaveLength(2);
  expect(read).not.toHaveBeenCalled();
  // The first run has none any more.
  await load(cache, session, 'run', 2);
  expect(read).toHaveBeenCalledTimes(1);
});

it('cache: continue-as-new, an attempt had written behind the head → nothing of it is used', async () => {
  const { session, cache, read } = await cached();
  // Nobody accepts this one: the next run knows the head 2.
  const { lastEvent } = await session.say('three');
  expect(lastEvent).toBe(3);
  const [row] = await session.store.read(session.key.tenant, session.id, { after: 2 });
  cache.extend(session.key, session.id, 'run', [toCached(row!)]);
  read.mockClear();
  const { generation } = await takeOver(session);
  cache.takeOver(session.key, session.id, 'next', generation);
  expect((await load(cache, session, 'next', 2)).map(({ seq }) => seq)).toEqual([1, 2]);
  expect(read).toHaveBeenCalledTimes(1);
});

it('cache: another run has read it, and nobody has confirmed that → read again', async () => {
  const { session, read } = await cached();
  const cache = new TranscriptCache(session.store);
  await load(cache, session, 'run', 2);
  const { generation } = await takeOver(session);
  cache.takeOver(session.key, session.id, 'next', generation);
  read.mockClear();
  await load(cache, session, 'next', 2);
  expect(read).toHaveBeenCalledTimes(1);
});
