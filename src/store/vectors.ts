/**
 * Vectors of memories in PostgreSQL with pgvector. Every statement has the owner, the space of the
 * vectors and the version of the entry: nothing is compared that may not be.
 */
import { sql, type RawBuilder } from 'kysely';
import type { MemoryEntry, MemoryOwner } from '../contracts/memory.js';
import type { Database } from './database.js';
import { entryOf, MEMORY_COLUMNS, ownedBy, type MemoryRow } from './memory-rows.js';
import { codeOf } from './store-errors.js';

/** Vectors of entries that have changed since are passed over: so many more are looked at. */
const SPARE = 50;

/** Whether this database has pgvector, or why not. */
export type VectorSupport =
  | { readonly schema: string; readonly version: string }
  | {
      readonly missing: string;
      /** What the operator does about it. */
      readonly remedy: string;
    };

/** An entry that has no vector of a space. */
export interface UnembeddedEntry {
  readonly owner: MemoryOwner;
  readonly key: string;
  readonly version: number;
  readonly text: string;
}

/** A vector of one version of an entry. */
export interface EntryVector extends Omit<UnembeddedEntry, 'text'> {
  readonly vector: readonly number[];
}

/** Where a walk through all entries is. */
export type EntryPlace = readonly [tenant: string, user: string, agent: string, key: string];

export const FIRST_PLACE: EntryPlace = ['', '', '', ''];

/** Entries that are looked at in one statement of such a walk. */
const PAGE = 500;

/**
 * Looks for pgvector; with `create` makes the extension where it is installed and this user may.
 * Rejects with `Store.Unavailable`.
 */
export async function vectorSupport(
  database: Database,
  { create = false }: { create?: boolean } = {},
): Promise<VectorSupport> {
  const found = await extension(database);
  if (found) return found;
  const { rows } = await sql<{ version: string }>`
    select default_version as version from pg_available_extensions where name = 'vector'`.execute(
    database.db,
  );
  const [available] = rows;
  if (!available) {
    return {
      missing: 'pgvector is not installed on this PostgreSQL',
      remedy:
        'Install it (https://github.com/pgvector/pgvector) and run `CREATE EXTENSION vector`.',
    };
  }
  const absent = {
    missing: `pgvector ${available.version} is installed, and this database does not use it yet`,
    remedy:
      'A worker creates the extension when it starts and its user may; otherwise run `CREATE EXTENSION vector` as a superuser.',
  };
  if (!create) return absent;
  try {
    await sql`create extension if not exists vector`.execute(database.db);
  } catch (error) {
    // Another worker was faster (`if not exists` is no lock), or this user may not.
    const made = await extension(database);
    if (!made) return { ...absent, missing: `${absent.missing} (${codeOf(error)})` };
    return made;
  }
  return (await extension(database)) ?? absent;
}

async function extension({ db }: Database) {
  const { rows } = await sql<{ schema: string; version: string }>`
    select n.nspname as schema, x.extversion as version
      from pg_extension x join pg_namespace n on n.oid = x.extnamespace
      where x.extname = 'vector'`.execute(db);
  return rows[0];
}

export class VectorStore {
  readonly #database: Database;
  readonly #schema: string;

  constructor(database: Database, schema: string) {
    this.#database = database;
    this.#schema = schema;
  }

  /** Whether the owner has any: a question to an empty memory need not be paid for. */
  async any(owner: MemoryOwner): Promise<boolean> {
    const { rows } = await sql<{ found: boolean }>`
      select exists (select from perdura.memory_embeddings m where ${ownedBy(owner)}) as found`.execute(
      this.#database.db,
    );
    return rows[0]?.found === true;
  }

  /**
   * The entries of the owner that are nearest to the vector, at most so many, not less similar than
   * `least`. Exact, over all that the owner has: an index of pgvector finds neighbours among all
   * owners first and leaves out the others afterwards, so that an owner of few entries had none.
   */
  async nearest(
    owner: MemoryOwner,
    { space, vector }: { space: string; vector: readonly number[] },
    { limit, least }: { limit: number; least: number },
  ): Promise<MemoryEntry[]> {
    const type = sql`${sql.id(this.#schema)}.vector`;
    const distance = sql`m.embedding::${type} operator(${sql.id(this.#schema)}.<=>)
      ${`[${vector.join(',')}]`}::${type}`;
    const { rows } = await sql<MemoryRow>`
      with nearest as materialized (
        select m.key, m.version, (${distance}) as distance from perdura.memory_embeddings m
          where ${ownedBy(owner)} and m.model = ${space}
          order by distance limit ${limit + SPARE}
      )
      select ${MEMORY_COLUMNS}, (1 - nearest.distance)::real as score
        from nearest join perdura.memories m
          on ${ownedBy(owner)} and m.key = nearest.key and m.version = nearest.version
        where nearest.distance <= ${1 - least}::float8
        order by nearest.distance, m.key limit ${limit}`.execute(this.#database.db);
    return rows.map(entryOf);
  }

  /**
   * Keeps a vector, unless the entry has changed or is gone. One of an older version never takes the
   * place of a newer one; those that other models have made of older versions are dropped.
   */
  async put(space: string, { owner, key, version, vector }: EntryVector): Promise<void> {
    const { tenant, user, agent } = owner;
    await sql`
      with entry as materialized (
        select m.key from perdura.memories m
          where ${ownedBy(owner)} and m.key = ${key} and m.version = ${version} for key share
      ), dropped as (
        delete from perdura.memory_embeddings m using entry
          where ${ownedBy(owner)} and m.key = entry.key and m.model <> ${space}
            and m.version < ${version}
      )
      insert into perdura.memory_embeddings as kept
          (tenant, user_id, agent, key, model, version, embedding)
        select ${tenant}, ${user}, ${agent}, entry.key, ${space}, ${version},
            ${vector}::real[] from entry
        on conflict (tenant, user_id, agent, key, model) do update
          set version = excluded.version, embedding = excluded.embedding
          where kept.version < excluded.version`.execute(this.#database.db);
  }

  /** Entries of the last minutes without a vector of this space, the oldest first. */
  async recent(space: string, limit: number): Promise<UnembeddedEntry[]> {
    const { rows } = await sql<PendingRow>`
      select ${PENDING_COLUMNS} from perdura.memories m
        where m.updated_at > clock_timestamp() - interval '10 minutes' and ${without(space)}
        order by m.updated_at limit ${limit}`.execute(this.#database.db);
    return rows.map(pendingOf);
  }

  /** A page of a walk through all entries: those without a vector, and where to go on. */
  async after(
    space: string,
    place: EntryPlace,
  ): Promise<{ entries: UnembeddedEntry[]; next?: EntryPlace }> {
    const { rows } = await sql<Omit<PendingRow, 'text'> & { text: string | null }>`
      with page as materialized (
        select tenant, user_id, agent, key, version from perdura.memories
          where (tenant, user_id, agent, key) > (${place[0]}, ${place[1]}, ${place[2]}, ${place[3]})
          order by tenant, user_id, agent, key limit ${PAGE}
      )
      select m.tenant, m.user_id, m.agent, m.key, m.version, t.text
        from page m left join lateral (select t.text from perdura.memories t
          where t.tenant = m.tenant and t.user_id = m.user_id and t.agent = m.agent
            and t.key = m.key and t.version = m.version and ${without(space)}) t on true
        order by m.tenant, m.user_id, m.agent, m.key`.execute(this.#database.db);
    const last = rows.length === PAGE ? rows[PAGE - 1] : undefined;
    return {
      entries: rows.flatMap(({ text, ...row }) =>
        text === null ? [] : pendingOf({ ...row, text }),
      ),
      ...(last ? { next: [last.tenant, last.user_id, last.agent, last.key] } : {}),
    };
  }

  /** Takes or keeps the lease of a space; false while another process has it. */
  async lease(space: string, holder: string, seconds: number): Promise<boolean> {
    const { rows } = await sql`
      insert into perdura.embedding_leases as l (space, holder, until)
        values (${space}, ${holder}, clock_timestamp() + make_interval(secs => ${seconds}))
        on conflict (space) do update set holder = excluded.holder, until = excluded.until
          where l.holder = excluded.holder or l.until < clock_timestamp()
        returning 1`.execute(this.#database.db);
    return rows.length > 0;
  }

  async release(space: string, holder: string): Promise<void> {
    await sql`delete from perdura.embedding_leases
      where space = ${space} and holder = ${holder}`.execute(this.#database.db);
  }

  /** Adds to what embeddings have cost a tenant today, UTC. */
  async charge(
    tenant: string,
    space: string,
    { texts, tokens, costMicros }: { texts: number; tokens: number; costMicros: number },
  ): Promise<void> {
    await sql`
      insert into perdura.embedding_usage as u (tenant, day, space, texts, tokens, cost_micros)
        values (${tenant}, (clock_timestamp() at time zone 'utc')::date, ${space}, ${texts},
          ${tokens}, ${costMicros})
        on conflict (tenant, day, space) do update set texts = u.texts + excluded.texts,
          tokens = u.tokens + excluded.tokens,
          cost_micros = u.cost_micros + excluded.cost_micros`.execute(this.#database.db);
  }
}

interface PendingRow {
  readonly tenant: string;
  readonly user_id: string;
  readonly agent: string;
  readonly key: string;
  readonly version: string;
  readonly text: string;
}

const PENDING_COLUMNS = sql`m.tenant, m.user_id, m.agent, m.key, m.version, m.text`;

/** That the entry `m` has no vector of this space and of its version. */
function without(space: string): RawBuilder<boolean> {
  return sql<boolean>`not exists (select from perdura.memory_embeddings e
    where e.tenant = m.tenant and e.user_id = m.user_id and e.agent = m.agent and e.key = m.key
      and e.model = ${space} and e.version = m.version)`;
}

function pendingOf(row: PendingRow): UnembeddedEntry {
  const { tenant, user_id: user, agent, key, version, text } = row;
  return { owner: { tenant, user, agent }, key, version: Number(version), text };
}
