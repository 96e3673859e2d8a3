/** Forks of sessions, and checkpoints: names that people give to turns. */
import { sql } from 'kysely';
import type { SessionKey } from '../contracts/ids.js';
import type { Database } from './database.js';
import { toJson } from './json.js';
import type { Forks } from './stores.js';

/** A fork that is to be made. */
export interface NewFork {
  readonly tenant: string;
  /** The session that it goes on from. */
  readonly from: string;
  readonly session: string;
  readonly workflowId: string;
  /** The last turn that it shares. Absent: the last one that has ended. */
  readonly turn?: number;
  readonly checkpoint?: string;
  /** In place of the agent of the other session, with its version. */
  readonly agent?: string;
  readonly version?: string;
  readonly title?: string;
}

/** What came of it. */
export type Forked =
  | {
      readonly new: boolean;
      readonly turn: number;
      readonly head: number;
      readonly agent: string;
      readonly version: string | null;
    }
  /** There is no session that it could go on from. */
  | { readonly unknown: true }
  /** The turn has not ended; this one has. */
  | { readonly last: number }
  /** Another session has the name. */
  | { readonly taken: true };

/** A turn with a name. */
export interface Checkpoint {
  readonly session: string;
  readonly name: string;
  readonly turn: number;
  readonly note?: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly expiresAt?: string;
}

export class ForkStore implements Forks {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async fork(fork: NewFork): Promise<Forked> {
    const { rows } = await sql<{ r: Forked }>`
      select perdura.fork(${toJson(fork)}::jsonb) as r`.execute(this.#database.db);
    return rows[0]!.r;
  }

  async save(
    { tenant, session }: SessionKey,
    checkpoint: {
      readonly name: string;
      readonly turn: number;
      readonly note?: string;
      readonly expiresAt?: Date;
    },
  ): Promise<Checkpoint> {
    const { name, turn, note = null, expiresAt = null } = checkpoint;
    const { rows } = await sql<CheckpointRow>`
      insert into perdura.checkpoints (tenant, session, name, turn, note, expires_at)
        values (${tenant}, ${session}, ${name}, ${turn}, ${note}, ${expiresAt})
        on conflict (tenant, session, name) do update set turn = excluded.turn,
          note = excluded.note, expires_at = excluded.expires_at, created_at = clock_timestamp()
        returning session, name, turn, note, created_at, expires_at`.execute(this.#database.db);
    return toCheckpoint(rows[0]!);
  }

  async checkpoint({ tenant, session }: SessionKey, name: string): Promise<Checkpoint | undefined> {
    const { rows } = await sql<CheckpointRow>`
      select session, name, turn, note, created_at, expires_at from perdura.checkpoints
        where tenant = ${tenant} and session = ${session} and name = ${name}
          and (expires_at is null or expires_at > clock_timestamp())`.execute(this.#database.db);
    return rows[0] && toCheckpoint(rows[0]);
  }

  async checkpoints(
    tenant: string,
    { session = null, limit }: { session?: string | null; limit: number },
  ): Promise<Checkpoint[]> {
    const { rows } = await sql<CheckpointRow>`
      select session, name, turn, note, created_at, expires_at from perdura.checkpoints
        where tenant = ${tenant} and (${session}::text is null or session = ${session})
          and (expires_at is null or expires_at > clock_timestamp())
        order by created_at desc, session, name limit ${limit}`.execute(this.#database.db);
    return rows.map(toCheckpoint);
  }

  async removeCheckpoint({ tenant, session }: SessionKey, name: string): Promise<boolean> {
    const { numAffectedRows = 0n } = await sql`delete from perdura.checkpoints
      where tenant = ${tenant} and session = ${session} and name = ${name}`.execute(
      this.#database.db,
    );
    return numAffectedRows > 0n;
  }

  async removeExpired(tenant: string): Promise<number> {
    const { numAffectedRows = 0n } = await sql`delete from perdura.checkpoints
      where tenant = ${tenant} and expires_at <= clock_timestamp()`.execute(this.#database.db);
    return Number(numAffectedRows);
  }

  async idleSince(tenant: string, { ms, limit }: { ms: number; limit: number }): Promise<string[]> {
    const { rows } = await sql<{ session: string }>`
      select session from perdura.sessions where tenant = ${tenant} and state in ('idle', 'error')
          and parent is null
          and updated_at < clock_timestamp() - ${ms} * interval '1 ms'
        order by updated_at limit ${limit}`.execute(this.#database.db);
    return rows.map(({ session }) => session);
  }
}

interface CheckpointRow {
  readonly session: string;
  readonly name: string;
  readonly turn: number;
  readonly note: string | null;
  readonly created_at: Date;
  readonly expires_at: Date | null;
}

function toCheckpoint({ note, created_at, expires_at, ...row }: CheckpointRow): Checkpoint {
  return {
    ...row,
    ...(note === null ? {} : { note }),
    createdAt: created_at.toISOString(),
    ...(expires_at === null ? {} : { expiresAt: expires_at.toISOString() }),
  };
}
