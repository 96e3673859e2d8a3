/**
 * Connections to PostgreSQL that notice when nobody is there any more. After a failover, or when a
 * NAT forgets a connection, packets vanish without a word; TCP alone would wait for a quarter of an
 * hour. So a server that is silent in the middle of a statement loses the connection, and with it the
 * idle ones of the pool, which would be silent too. Every error leaves here in our terms, and nowhere
 * else: `Store.Unavailable` where waiting helps.
 */
import pg from 'pg';
import { storeError } from './store-errors.js';

/**
 * Longest silence of the server in the middle of a statement, ms. Our statements go by an index and
 * take milliseconds; a long answer is not silent. What is given up may have been carried out: all
 * writes can be repeated.
 */
export const SILENCE_MS = 5_000;
/** Longest wait for a connection, ms: twice the silence, after which the pool has fresh ones. */
const CONNECT_MS = 10_000;
/** An idle connection is probed after so long, ms. */
const KEEP_ALIVE_MS = 5_000;

export interface StoreClientConfig extends pg.ClientConfig {
  /** See {@link SILENCE_MS}, the default; 0 for no deadline. */
  readonly silenceMs?: number;
  /** The server was silent for too long. */
  readonly onSilence?: () => void;
}

type Callback = (error: Error | undefined, ...rest: unknown[]) => void;

/** One connection. */
export class StoreClient extends pg.Client {
  readonly #silenceMs: number;
  readonly #onSilence: (() => void) | undefined;
  readonly #stream: () => { destroy(error?: Error): void; readonly bytesRead: number };
  /** Statements without an answer. */
  #open = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(config: StoreClientConfig) {
    super({
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      ...config,
    });
    this.#silenceMs = config.silenceMs ?? SILENCE_MS;
    this.#onSilence = config.onSilence;
    // Asked each time: TLS puts another stream in the place of the first.
    this.#stream = () => (this as unknown as { connection: { stream: never } }).connection.stream;
    this.query = ((...args: unknown[]) => this.#query(args)) as typeof this.query;
    this.end = ((...args: unknown[]) => this.#end(args)) as typeof this.end;
    // One that breaks while nobody waits for an answer must not end the process: the next statement
    // opens another connection, and reports what it meets.
    this.on('error', () => undefined);
  }

  /** Whether a statement waits for its answer. */
  get busy(): boolean {
    return this.#open > 0;
  }

  /** Bytes that the server has sent so far. */
  get bytesRead(): number {
    return this.#stream().bytesRead;
  }

  /** Gives the connection up, with all that waits on it. */
  abandon(reason: string): void {
    this.#stream().destroy(Object.assign(new Error(reason), { code: 'ETIMEDOUT' }));
  }

  /** `pg` declares seven ways to call `query`; the answer of each goes through here. */
  #query(args: readonly unknown[]): unknown {
    const send = (...sent: unknown[]) =>
      (pg.Client.prototype.query as (...sent: unknown[]) => unknown).apply(this, sent);
    const callback = args.at(-1);
    if (typeof callback === 'function') {
      this.#watch();
      const settled: Callback = (error, ...rest) => {
        this.#answered();
        (callback as Callback)(error && (storeError(error) as Error), ...rest);
      };
      return send(...args.slice(0, -1), settled);
    }
    const answer = send(...args);
    if (!(answer instanceof Promise)) return answer;
    this.#watch();
    return answer.then(
      (result: unknown) => {
        this.#answered();
        return result;
      },
      (error: unknown) => {
        this.#answered();
        throw storeError(error);
      },
    );
  }

  #end(args: readonly unknown[]): unknown {
    // A goodbye that nobody hears must not keep the process. Of one that is gone, nothing does.
    const timer = setTimeout(() => this.abandon('The connection did not close.'), SILENCE_MS);
    this.once('end', () => clearTimeout(timer));
    timer.unref();
    return (pg.Client.prototype.end as (...sent: unknown[]) => unknown).apply(this, [...args]);
  }

  #watch(): void {
    this.#open += 1;
    if (this.#open === 1) this.#arm();
  }

  #answered(): void {
    this.#open -= 1;
    clearTimeout(this.#timer);
    if (this.#open > 0) this.#arm();
  }

  #arm(): void {
    if (this.#silenceMs <= 0) return;
    const heard = this.bytesRead;
    this.#timer = setTimeout(() => {
      if (this.bytesRead !== heard) return this.#arm();
      this.abandon(`no answer within ${this.#silenceMs} ms`);
      this.#onSilence?.();
    }, this.#silenceMs);
  }
}

type Connected = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: () => void,
) => void;

/** The connections of one process to one database. */
export class StorePool extends pg.Pool {
  readonly #clients = new Set<StoreClient>();

  constructor(config: pg.PoolConfig & Pick<StoreClientConfig, 'silenceMs'>) {
    const each: StoreClientConfig = { onSilence: () => this.#dropIdle() };
    super({
      connectionTimeoutMillis: CONNECT_MS,
      application_name: 'perdura',
      ...config,
      ...each,
      // Made with the pool's own options, whatever its type says.
      Client: StoreClient as unknown as new () => pg.ClientBase,
    });
    this.connect = ((connected?: Connected) => this.#connect(connected)) as typeof this.connect;
    this.query = ((...args: unknown[]) => this.#query(args)) as typeof this.query;
    this.on('error', () => undefined);
    this.on('connect', (client) => void this.#clients.add(client as unknown as StoreClient));
    this.on('remove', (client) => void this.#clients.delete(client as unknown as StoreClient));
  }

  #connect(callback?: Connected): unknown {
    const connect = pg.Pool.prototype.connect as (connected?: Connected) => Promise<unknown>;
    if (!callback) return connect.call(this).catch(rethrow);
    return connect.call(this, (error, client, done) =>
      callback(error && (storeError(error) as Error), client, done),
    );
  }

  /** The pool reports a connection that broke before the statement does. */
  #query(args: readonly unknown[]): unknown {
    const query = pg.Pool.prototype.query as (...sent: unknown[]) => unknown;
    const answer = query.apply(this, [...args]);
    return answer instanceof Promise ? answer.catch(rethrow) : answer;
  }

  /** Where one connection is dead, those that merely wait are likely to be. */
  #dropIdle(): void {
    for (const client of this.#clients) {
      if (!client.busy) client.abandon('another connection to the same server went silent');
    }
  }
}

function rethrow(error: unknown): never {
  throw storeError(error);
}
