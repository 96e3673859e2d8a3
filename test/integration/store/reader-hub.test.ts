/** The readers of a process: woken by the bus, with one slow check behind it for all of them. */
import { afterAll, afterEach, beforeAll, expect, inject, it, onTestFinished, vi } from 'vitest';
import { streamEvents } from '../../../src/client/event-stream.js';
import { ReaderHub, type HubOptions } from '../../../src/client/reader-hub.js';
import { InProcessLiveBus } from '../../../src/live/in-process-bus.js';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { EventLog } from '../../../src/store/event-log.js';
import { migrate } from '../../../src/store/migrate.js';
import { eventually } from '../../support/observe.js';
import { SilentProxy } from '../../support/silent-proxy.js';
import { StoredSession } from '../../support/store.js';

let database: Database;
beforeAll(async () => {
  await migrate(inject('databaseUrl'));
  database = openDatabase(inject('databaseUrl'));
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => database.close());

const hubOf = (options: HubOptions = { checkMs: 100 }, over = database) =>
  new ReaderHub(new EventLog(over), new InProcessLiveBus(), options);

/** Reads until the test ends. */
function read(hub: ReaderHub, { key }: StoredSession, after = 0) {
  const leave = new AbortController();
  const numbers: number[] = [];
  const reading = (async () => {
    for await (const item of streamEvents(hub, key, { after, signal: leave.signal })) {
      if ('n' in item) numbers.push((item as { n: number }).n);
    }
  })();
  reading.catch(() => undefined);
  onTestFinished(() => leave.abort());
  return { numbers, reading, leave: () => (leave.abort(), reading) };
}

const sessions = (count: number) =>
  Promise.all(Array.from({ length: count }, () => StoredSession.open(database)));

const statements = () => {
  const spy = vi.spyOn(database.pool, 'query');
  return () => spy.mock.calls.map(([statement]) => (statement as { name?: string }).name);
};

it('hub: 40 idle readers of 40 sessions → one query a check, none of their own', async () => {
  const read40 = await sessions(40);
  await Promise.all(read40.map((session) => session.say('hello')));
  // Wake-ups of these writes are statements, too, and may wait for company.
  await database.wakeUps.settled();
  const hub = hubOf();
  const readers = read40.map((session) => read(hub, session));
  await eventually(() => readers.every(({ numbers }) => numbers.length === 1));
  const sent = statements();
  await eventually(() => sent().length >= 5);
  expect(new Set(sent())).toEqual(new Set(['perdura-last-events']));
});

it('hub: the writer died between commit and wake-up → each reader has the event with the next check', async () => {
  const [one, two] = (await sessions(2)) as [StoredSession, StoredSession];
  const hub = hubOf();
  const readers = [read(hub, one), read(hub, one), read(hub, two)];
  const key = { key: 'e', type: 'session.state', body: { state: 'paused' } };
  for (const session of [one, two]) {
    await database.pool.query('select perdura.append($1::jsonb)', [
      JSON.stringify({ ...session.writer(), events: [key] }),
    ]);
  }
  await eventually(() => readers.every(({ numbers }) => numbers.length === 1));
  // Nor is one woken for what it has.
  const sent = statements();
  await eventually(() => sent().length >= 3);
  expect(sent()).not.toContain('perdura-events');
});

it('hub: readers of the same session → they share one subscription to the bus, which ends with the last of them', async () => {
  const [session] = (await sessions(1)) as [StoredSession];
  const hub = hubOf();
  const subscribe = vi.spyOn(hub.bus, 'subscribe');
  const readers = [read(hub, session), read(hub, session), read(hub, session)];
  await session.say('hello');
  hub.bus.publish(session.key, { type: 'wake', n: 1 });
  await eventually(() => readers.every(({ numbers }) => numbers.length === 1));
  expect(subscribe).toHaveBeenCalledTimes(1);
  await readers[0]!.leave();
  await session.say('and more');
  hub.bus.publish(session.key, { type: 'wake', n: 2 });
  await eventually(() => readers.slice(1).every(({ numbers }) => numbers.length === 2));
  expect(readers[0]!.numbers).toEqual([1]);
});

it('hub: the last reader has left → no check any more', async () => {
  const [session] = (await sessions(1)) as [StoredSession];
  const hub = hubOf({ checkMs: 20 });
  const reader = read(hub, session);
  const sent = statements();
  await eventually(() => sent().includes('perdura-last-events'));
  await reader.leave();
  const before = sent().length;
  // As long as another hub needs for five checks.
  const other = openDatabase(inject('databaseUrl'));
  const asked = vi.spyOn(other.pool, 'query');
  const elsewhere = read(hubOf({ checkMs: 20 }, other), session);
  await eventually(() => asked.mock.calls.length > 5);
  expect(sent().length).toBe(before);
  await elsewhere.leave();
  await other.close();
});

it('hub: closed while a stream is held that nobody reads on → no check any more', async () => {
  const [session] = (await sessions(1)) as [StoredSession];
  const hub = hubOf({ checkMs: 20 });
  await session.say('hello');
  const held = streamEvents(hub, session.key);
  await held.next();
  const sent = statements();
  await eventually(() => sent().includes('perdura-last-events'));
  hub.close();
  const other = openDatabase(inject('databaseUrl'));
  const asked = vi.spyOn(other.pool, 'query');
  const before = sent().length;
  const elsewhere = read(hubOf({ checkMs: 20 }, other), session);
  await eventually(() => asked.mock.calls.length > 5);
  expect(sent().length).toBe(before);
  await elsewhere.leave();
  await other.close();
  await held.return();
});

it('F25 hub: the store is away for longer than readers wait → they are told', async () => {
  const proxy = await SilentProxy.beforeUrl(inject('databaseUrl'));
  const away = openDatabase(proxy.urlOf(inject('databaseUrl')));
  onTestFinished(async () => {
    await proxy.close();
    await away.close();
  });
  const [session] = (await sessions(1)) as [StoredSession];
  const hub = hubOf({ checkMs: 50, patienceMs: 300 }, away);
  const reader = read(hub, session);
  await session.say('hello');
  await eventually(() => reader.numbers.length === 1);
  proxy.mode = 'refuse';
  await expect(reader.reading).rejects.toMatchObject({ type: 'Store.Unavailable' });
});
