/**
 * Embeddings of memories. Their table (0010) has an array, so that it is there without pgvector and is
 * dumped and restored without it; a search casts it to a vector.
 */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // In the row, as long as it fits a page: a search reads all vectors of an owner.
  `alter table perdura.memory_embeddings alter column embedding set storage main`,
  // What was written lately and has no embedding yet.
  `create index memories_updated on perdura.memories (updated_at)`,
  // One process at a time embeds for a model, and one that dies is followed by another.
  `create table perdura.embedding_leases (
    space text primary key,
    holder text not null,
    until timestamptz not null
  )`,
  // What embeddings cost: they are no part of a turn.
  `create table perdura.embedding_usage (
    tenant text not null,
    day date not null,
    space text not null,
    texts bigint not null,
    tokens bigint not null,
    cost_micros bigint not null,
    primary key (tenant, day, space)
  )`,
];
