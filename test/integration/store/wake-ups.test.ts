/**
 * Readers are woken once, by the commit of a write that is alone in its process, and after the commits
 * of others: in them, all sessions would write one after the other.
 */
import { afterEach, beforeAll, afterAll, expect, inject, it, onTestFinished, vi } from 'vitest';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { migrate } from '../../../src/store/migrate.js';
import { eventually } from '../../support/observe.js';
import { listenOn, StoredSession } from '../../support/store.js';

let database: Database;
beforeAll(async () => {
  await migrate(inject('databaseUrl'));
  database = openDatabase(inject('databaseUrl'));
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => database.close());

const listen = async (channel: string) => {
  const ears = await listenOn(inject('databaseUrl'), channel);
  onTestFinished(() => ears.end());
  return ears.heard;
};
const numbersOf = (heard: readonly string[]) =>
  heard.map((payload) => (JSON.parse(payload) as { n: number }).n);
const append = (parameter: object) =>
  database.pool.query('select perdura.append($1::jsonb)', [JSON.stringify(parameter)]);
const event = { key: 'e', type: 'session.state', body: { state: 'paused' } };
const isWakeUp = (statement: unknown) =>
  (statement as { name?: string } | undefined)?.name === 'perdura-wake';

const statementsOf = (pool: Database['pool']) => {
  const statements = vi.spyOn(pool, 'query');
  return () => statements.mock.calls.filter(([statement]) => isWakeUp(statement)).length;
};

it('wake-up: an append that is alone → its commit wakes, and no statement follows', async () => {
  const session = await StoredSession.open(database);
  const heard = await listen(session.channel);
  const sent = statementsOf(database.pool);
  await session.say('hello');
  await session.say('again');
  await eventually(() => heard.length > 1);
  await database.wakeUps.settled();
  expect(numbersOf(heard)).toEqual([1, 2]);
  expect(sent()).toBe(0);
});

it('wake-up: two appends at once → the second commit notifies nobody, a statement behind it does', async () => {
  const [first, second] = await Promise.all([
    StoredSession.open(database),
    StoredSession.open(database),
  ]);
  const heard = await Promise.all([listen(first.channel), listen(second.channel)]);
  const sent = statementsOf(database.pool);
  await Promise.all([first.say('hello'), second.say('hello')]);
  await eventually(() => heard.every((each) => each.length > 0));
  await database.wakeUps.settled();
  expect(heard.map(numbersOf)).toEqual([[1], [1]]);
  expect(sent()).toBe(1);
});

it('wake-up: an append that fails before it is sent → the next one is alone all the same', async () => {
  const session = await StoredSession.open(database);
  const { channel } = session;
  const loop: { self?: unknown } = {};
  loop.self = loop;
  const updates = loop as never;
  await expect(session.store.append(session.writer(), { channel, updates })).rejects.toThrow();
  const sent = statementsOf(database.pool);
  await session.say('hello');
  await database.wakeUps.settled();
  expect(sent()).toBe(0);
});

it('wake-up: what waited for company → goes with the commit that wakes the same readers', async () => {
  const session = await StoredSession.open(database);
  const heard = await listen(session.channel);
  const sent = statementsOf(database.pool);
  database.wakeUps.wake(session.channel, 0, { urgent: false });
  await session.say('hello');
  await database.wakeUps.settled();
  await eventually(() => heard.length > 0);
  expect(numbersOf(heard)).toEqual([1]);
  expect(sent()).toBe(0);
});

it('wake-up: an append without a new event → none', async () => {
  const session = await StoredSession.open(database);
  const statements = vi.spyOn(database.pool, 'query');
  await session.store.append(session.writer(), { channel: session.channel, updates: { turn: 1 } });
  expect(statements.mock.calls.filter(([statement]) => isWakeUp(statement))).toEqual([]);
});

it('wake-up: 20 sessions write at once → few statements, one at a time, and each channel hears its newest event', async () => {
  const sessions = await Promise.all(
    Array.from({ length: 20 }, () => StoredSession.open(database)),
  );
  const heard = await Promise.all(sessions.map(({ channel }) => listen(channel)));
  const statements = vi.spyOn(database.pool, 'query');
  await Promise.all(
    sessions.map(async (session) => {
      for (let i = 0; i < 10; i++) await session.say(`text ${i}`);
    }),
  );
  await eventually(() => heard.every((each) => numbersOf(each).includes(10)));
  const sent = statements.mock.calls.filter(([statement]) => isWakeUp(statement)).length;
  expect(sent).toBeGreaterThan(0);
  expect(sent).toBeLessThan(120);
  for (const each of heard) {
    const numbers = numbersOf(each);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  }
});

it('wake-up: not urgent → waits for company, goes with one that is, and by itself', async () => {
  const session = await StoredSession.open(database);
  const heard = await listen(session.channel);
  const statements = vi.spyOn(database.pool, 'query');
  const sent = () => statements.mock.calls.filter(([statement]) => isWakeUp(statement)).length;
  const { wakeUps } = database;
  wakeUps.wake(session.channel, 1, { urgent: false });
  wakeUps.wake(session.channel, 2, { urgent: false });
  expect(sent()).toBe(0);
  wakeUps.wake(session.channel, 3);
  await eventually(() => heard.length > 0);
  expect(sent()).toBe(1);
  wakeUps.wake(session.channel, 4, { urgent: false });
  await eventually(() => heard.length > 1);
  expect(numbersOf(heard)).toEqual([3, 4]);
});

it('wake-up: cannot be sent → the append succeeds, and the next one is tried', async () => {
  const session = await StoredSession.open(database);
  const heard = await listen(session.channel);
  const { pool } = database;
  const query = pool.query.bind(pool) as (...args: unknown[]) => unknown;
  let failing = true;
  vi.spyOn(pool, 'query').mockImplementation((...args: unknown[]) =>
    failing && isWakeUp(args[0])
      ? (Promise.reject(new Error('no')) as never)
      : (query(...args) as never),
  );
  // Not alone: its readers are woken by a statement.
  const other = await StoredSession.open(database);
  const [, written] = await Promise.all([other.say('first'), session.say('lost')]);
  expect(written).toMatchObject({ lastEvent: 1 });
  await database.wakeUps.settled();
  failing = false;
  await Promise.all([other.say('first'), session.say('heard')]);
  await eventually(() => heard.length > 0);
  expect(numbersOf(heard)).toEqual([2]);
});

it('wake-up: a process of the version before, which names the channel → is notified in its commit as ever', async () => {
  const session = await StoredSession.open(database);
  const heard = await listen(session.channel);
  await append({ ...session.writer(), channel: session.channel, events: [event] });
  await eventually(() => heard.length > 0);
  expect(heard.map((payload) => JSON.parse(payload) as unknown)).toEqual([{ type: 'wake', n: 1 }]);
});
