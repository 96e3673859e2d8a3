/** A pool of connections and what goes over it. Nothing else opens a pool. */
import { Kysely, PostgresDialect } from 'kysely';
import type pg from 'pg';
import { StorePool } from './connection.js';
import type { Tables } from './tables.js';
import { WakeUps } from './wake-ups.js';

/** A pool, the query builder over it, and what wakes the readers of what is written. */
export interface Database {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly db: Kysely<Tables>;
  readonly wakeUps: WakeUps;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** Default 10. */
  readonly maxConnections?: number;
  /** Longest silence of the server in the middle of a statement, ms; 0 for none. Default 5,000. */
  readonly silenceMs?: number;
}

/** Opens a pool; connections are made when they are needed. `url` as PostgreSQL writes it. */
export function openDatabase(url: string, options: DatabaseOptions = {}): Database {
  const { maxConnections = 10, silenceMs } = options;
  const pool = new StorePool({
    connectionString: url,
    max: maxConnections,
    ...(silenceMs === undefined ? {} : { silenceMs }),
  });
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const wakeUps = new WakeUps(pool);
  const close = async () => {
    await wakeUps.settled();
    await db.destroy();
  };
  return { url, pool, db, wakeUps, close };
}
