/**
 * Memory over sessions in PostgreSQL: entries by owner and key, found by their words; by what they
 * mean in `vector-memory.ts`. The owner (tenant, user, agent) stands in every statement.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import {
  DEFAULT_RECALLED,
  MOST_MEMORY_QUERY_UNITS,
  MOST_RECALLED,
  type MemoryEntry,
  type MemoryKind,
  type MemoryOwner,
  type MemoryWritten,
} from '../contracts/memory.js';
import { clip, wellFormed } from '../contracts/text.js';
import type { Database } from './database.js';
import { toJson } from './json.js';
import { entryOf, MEMORY_COLUMNS, ownedBy, type MemoryRow } from './memory-rows.js';
import type { Memories, MemoryWrite } from './stores.js';

/** Words of a query that are looked for. */
const MOST_WORDS = 32;
/** Entries that are looked at for one word: a query of common words must not read all that a user has. */
const MOST_OF_A_WORD = 200;

export class MemoryStore implements Memories {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** See `functions/remember.sql`. */
  async write(owner: MemoryOwner, write: MemoryWrite): Promise<MemoryWritten> {
    const { kind = 'fact', ...rest } = write;
    return this.#remember<MemoryWritten>(owner, { ...rest, kind });
  }

  /** Answers with whether there was such an entry, of that version where one is named. */
  async forget(
    owner: MemoryOwner,
    entry: { readonly key: string; readonly version?: number; readonly call?: string },
  ): Promise<boolean> {
    const { outcome } = await this.#remember<{ outcome: string }>(owner, {
      ...entry,
      forget: true,
    });
    return outcome === 'forgotten';
  }

  async get(owner: MemoryOwner, key: string): Promise<MemoryEntry | undefined> {
    const { rows } = await sql<MemoryRow>`
      select ${MEMORY_COLUMNS} from perdura.memories m where ${ownedBy(owner)} and m.key = ${key}`.execute(
      this.#database.db,
    );
    return rows[0] && entryOf(rows[0]);
  }

  /** The newest first. */
  async list(
    owner: MemoryOwner,
    options: { limit?: number; kind?: MemoryKind } = {},
  ): Promise<MemoryEntry[]> {
    const { kind, limit = DEFAULT_RECALLED } = options;
    const { rows } = await sql<MemoryRow>`
      select ${MEMORY_COLUMNS} from perdura.memories m
        where ${ownedBy(owner)} and ${kind === undefined ? sql`true` : sql`m.kind = ${kind}`}
        order by m.updated_at desc, m.key limit ${Math.max(1, Math.floor(limit))}`.execute(
      this.#database.db,
    );
    return rows.map(entryOf);
  }

  /**
   * The entries that fit `query` best: by its words, as English has them (other languages are found
   * by whole words), or by its characters where it is written without spaces.
   */
  async recall(
    owner: MemoryOwner,
    query: string,
    limit = DEFAULT_RECALLED,
  ): Promise<MemoryEntry[]> {
    const asked = wellFormed(clip(query, MOST_MEMORY_QUERY_UNITS)).replaceAll('\ufffd', ' ').trim();
    const most = Math.min(MOST_RECALLED, Math.max(1, Math.floor(limit)));
    if (asked === '') return [];
    const pairs = pairsOf(asked);
    return pairs.length > 0 ? this.#byPairs(owner, pairs, most) : this.#byWords(owner, asked, most);
  }

  /** All that is remembered of a user, by any agent, and what was derived of it. */
  async eraseUser(tenant: string, user: string): Promise<number> {
    const { numAffectedRows } = await sql`
      delete from perdura.memories where tenant = ${tenant} and user_id = ${user}`.execute(
      this.#database.db,
    );
    return Number(numAffectedRows);
  }

  async eraseOwner(owner: MemoryOwner): Promise<number> {
    const { numAffectedRows } = await sql`
      delete from perdura.memories m where ${ownedBy(owner)}`.execute(this.#database.db);
    return Number(numAffectedRows);
  }

  async #remember<R>(
    owner: MemoryOwner,
    { call, ...rest }: Readonly<Record<string, unknown>> & { readonly call?: string },
  ): Promise<R> {
    const p = {
      ...owner,
      ...rest,
      ...(call === undefined ? {} : { write: writeId(owner, call) }),
    };
    const { rows } = await sql<{ r: R }>`
      select perdura.remember(${toJson(p)}::jsonb) as r`.execute(this.#database.db);
    return rows[0]!.r;
  }

  /**
   * Each word of the query finds its entries, and a rare word counts more than a common one: it says
   * more about what is meant. Of a common word only some entries are looked at.
   */
  async #byWords(owner: MemoryOwner, asked: string, limit: number): Promise<MemoryEntry[]> {
    const { rows } = await sql<MemoryRow>`
      with words as materialized (
        select ('''' || replace(replace(w.word, chr(92), chr(92) || chr(92)), '''', '''''')
            || '''')::tsquery as query
          from unnest(tsvector_to_array(to_tsvector('pg_catalog.english', ${asked}))) w (word)
          limit ${MOST_WORDS}
      ), hits as materialized (
        select words.query, m.key from words cross join lateral (
          select m.key from perdura.memories m
            where ${ownedBy(owner)} and m.search @@ (${ownerWord(owner)}::tsquery && words.query)
            limit ${MOST_OF_A_WORD}) m
      ), weights as materialized (
        select query, (1 / (1 + ln(count(*))))::real as weight from hits group by query
      ), found as materialized (
        select distinct key from hits
      )
      select ${MEMORY_COLUMNS},
          (select sum(weight) from weights where m.search @@ weights.query) as score
        from found join perdura.memories m on ${ownedBy(owner)} and m.key = found.key
        order by score desc, m.updated_at desc, m.key limit ${limit}`.execute(this.#database.db);
    return rows.map(entryOf);
  }

  /** By pairs of characters, for scripts without spaces. Reads all that the owner has. */
  async #byPairs(owner: MemoryOwner, pairs: string[], limit: number): Promise<MemoryEntry[]> {
    const { rows } = await sql<MemoryRow>`
      select ${MEMORY_COLUMNS}, pairs.score from perdura.memories m cross join lateral (
          select count(*)::real as score from unnest(${pairs}::text[]) pair
            where strpos(m.key || ' ' || m.text, pair) > 0) pairs
        where ${ownedBy(owner)} and pairs.score > 0
        order by pairs.score desc, m.updated_at desc, m.key limit ${limit}`.execute(
      this.#database.db,
    );
    return rows.map(entryOf);
  }
}

/** Scripts that are written without spaces: PostgreSQL takes a whole sentence for one word. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]+/gu;

/** Neighbouring characters of such text; a character that stands alone by itself. */
function pairsOf(text: string): string[] {
  const pairs = new Set<string>();
  for (const [run] of text.matchAll(UNSPACED)) {
    const characters = [...run];
    if (characters.length === 1) pairs.add(run);
    for (let i = 1; i < characters.length; i++) pairs.add(characters[i - 1]! + characters[i]!);
  }
  return [...pairs].slice(0, MOST_WORDS);
}

/** The lexeme of the owner, as the migration makes it. */
function ownerWord({ tenant, user, agent }: MemoryOwner): string {
  const digest = createHash('md5').update([tenant, user, agent].join('\u0001')).digest('hex');
  return `'owner ${digest}'`;
}

/** Names a call among all of the tenant; says nothing of its owner. */
function writeId({ tenant, user, agent }: MemoryOwner, call: string): string {
  const parts = [tenant, user, agent, call].join('\0');
  return createHash('sha256').update(parts).digest('hex').slice(0, 40);
}
