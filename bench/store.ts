/**
 * The store by itself, without Temporal: how much waking the readers costs the writers, and what
 * readers cost that only wait.
 */
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import pg from 'pg';
import { ReaderHub } from '../src/client/reader-hub.js';
import { streamEvents } from '../src/client/event-stream.js';
import { channelOf } from '../src/live/bus.js';
import { PostgresLiveBus } from '../src/live/postgres-bus.js';
import { openDatabase, type Database } from '../src/store/database.js';
import { EventLog } from '../src/store/event-log.js';
import { TranscriptStore, type Writer } from '../src/store/transcript-store.js';
import { median, nowMs } from './statistics.js';
import { collectGarbage } from './worker-commands.js';

const WRITERS = 32;
/** A reader that asked the store by itself did so this often. */
const OLD_POLL_SECONDS = 2;

export interface StoreResults {
  /** 32 writers, each with a session of its own, readers woken. */
  readonly appendsPerSecond: number;
  /** The same, nobody woken. */
  readonly unwokenAppendsPerSecond: number;
  /** The first over the second, round by round. */
  readonly ratio: number;
  /** Readers notified in the commit, over nobody woken. */
  readonly inCommitRatio: number;
}

export interface IdleReaders {
  readonly readers: number;
  readonly queriesPerSecond: number;
  /** Of readers that each ask the store every two seconds. */
  readonly pollingQueriesPerSecond: number;
  readonly ratio: number;
  /** Growth of the heap. */
  readonly perReaderKB: number;
}

/** How readers are woken. */
type Waking = 'after' | 'not' | 'in the commit';

/** @param seconds of each round; a round has each of the three ways */
export async function measureAppends(
  databaseUrl: string,
  tenant: string,
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<StoreResults> {
  const database = openDatabase(databaseUrl, { maxConnections: WRITERS });
  const silent = { wakes: false, wake() {}, end() {} };
  const unwoken = { ...database, wakeUps: { beginWrite: () => silent } };
  const writers = await Promise.all(
    Array.from({ length: WRITERS }, () => SessionWriter.open(database, tenant)),
  );
  const rate = async (waking: Waking) => {
    const store = new TranscriptStore(waking === 'after' ? database : unwoken);
    const until = nowMs() + seconds * 1_000;
    const write = async (writer: SessionWriter): Promise<number> => {
      let count = 0;
      for (; nowMs() < until; count++) await writer.append(store, waking, database);
      return count;
    };
    const counts = await Promise.all(writers.map(write));
    return counts.reduce((sum, count) => sum + count, 0) / seconds;
  };
  await rate('after');
  const measured: Record<Waking, number[]> = { after: [], not: [], 'in the commit': [] };
  for (let round = 0; round < rounds; round++) {
    for (const waking of ['not', 'after', 'in the commit'] as const) {
      measured[waking].push(await rate(waking));
    }
  }
  await database.close();
  const over = (waking: Waking) =>
    median(measured[waking].map((value, round) => value / measured.not[round]!));
  return {
    appendsPerSecond: median(measured.after),
    unwokenAppendsPerSecond: median(measured.not),
    ratio: over('after'),
    inCommitRatio: over('in the commit'),
  };
}

/** A session that gets one event after the other. */
class SessionWriter {
  readonly #writer: Writer;
  readonly #channel: string;
  #events = 0;

  private constructor(writer: Writer) {
    this.#writer = writer;
    this.#channel = channelOf(writer);
  }

  static async open(database: Database, tenant: string): Promise<SessionWriter> {
    const session = randomUUID();
    const place = { tenant, session, transcript: session, run: 'run' };
    await new TranscriptStore(database).openSession({
      ...place,
      workflowId: session,
      agent: 'assistant',
    });
    return new SessionWriter({ ...place, head: 0 });
  }

  async append(store: TranscriptStore, waking: Waking, { pool }: Database): Promise<void> {
    const key = `e${++this.#events}`;
    if (waking !== 'in the commit') {
      const event = { key, body: { type: 'session.state', state: 'idle' } } as const;
      await store.append(this.#writer, { channel: this.#channel, events: [event] });
      return;
    }
    // As processes of the version before do.
    const event = { key, type: 'session.state', body: { state: 'idle' } };
    await pool.query({
      name: 'perdura-append',
      text: 'select perdura.append($1::jsonb) as r',
      values: [JSON.stringify({ ...this.#writer, channel: this.#channel, events: [event] })],
    });
  }
}

/** Readers of as many sessions, of which nothing is heard. */
export async function measureIdleReaders(
  databaseUrl: string,
  tenant: string,
  { readers, seconds }: { readers: number; seconds: number },
): Promise<IdleReaders> {
  const database = openDatabase(databaseUrl, { maxConnections: 5 });
  const bus = new PostgresLiveBus(database);
  const store = new TranscriptStore(database);
  const keys = Array.from({ length: readers }, () => ({ tenant, session: randomUUID() }));
  for (const key of keys) {
    const { session } = key;
    await store.openSession({
      ...key,
      transcript: session,
      run: 'run',
      workflowId: session,
      agent: 'assistant',
    });
  }
  const hub = new ReaderHub(new EventLog(database), bus);
  const leave = new AbortController();
  setMaxListeners(0, leave.signal);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const reading = keys.map(async (key) => {
    for await (const _item of streamEvents(hub, key, { signal: leave.signal }));
  });
  await settled(seconds);
  collectGarbage();
  const { heapUsed } = process.memoryUsage();
  const count = countStatements();
  await settled(seconds);
  const queriesPerSecond = count.stop() / seconds;
  leave.abort();
  await Promise.all(reading);
  await bus.close();
  await database.close();
  const pollingQueriesPerSecond = readers / OLD_POLL_SECONDS;
  return {
    readers,
    queriesPerSecond,
    pollingQueriesPerSecond,
    ratio: queriesPerSecond / pollingQueriesPerSecond,
    perReaderKB: (heapUsed - before) / 1_024 / readers,
  };
}

const settled = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000));

/** Statements that this process sends to PostgreSQL, until it is stopped. */
function countStatements(): { stop: () => number } {
  type Query = (this: pg.Client, ...args: unknown[]) => unknown;
  const prototype = pg.Client.prototype as unknown as { query: Query };
  const { query } = prototype;
  let statements = 0;
  prototype.query = function (...args) {
    statements += 1;
    return query.apply(this, args);
  };
  return {
    stop: () => {
      prototype.query = query;
      return statements;
    },
  };
}
