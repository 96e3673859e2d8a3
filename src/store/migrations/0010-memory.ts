/**
 * Memory over sessions, the contexts that sessions are given, and pinned messages. An owner of a
 * memory is a tenant, a user (empty: none) and an agent (empty: all of the user's).
 */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // The first context of a session stands. Kept apart from sessions, which are written all the time.
  `create table perdura.session_contexts (
    tenant text not null,
    session text not null,
    user_id text,
    organisation text,
    context json not null,
    created_at timestamptz not null default now(),
    primary key (tenant, session)
  )`,
  `create index session_contexts_user on perdura.session_contexts (tenant, user_id, session)
    where user_id is not null`,

  // Never used twice: the version of an entry that was forgotten and written again is a new one.
  `create sequence perdura.memory_versions`,
  // One lexeme names the owner, so that the index finds words among the entries of one owner only.
  `create table perdura.memories (
    tenant text not null,
    user_id text not null,
    agent text not null,
    key text not null,
    kind text not null,
    text text not null,
    version bigint not null,
    session text,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    search tsvector not null generated always as (
      setweight(to_tsvector('pg_catalog.english', key), 'A')
      || to_tsvector('pg_catalog.english', text)
      || array_to_tsvector(array['owner ' || md5(tenant || chr(1) || user_id || chr(1) || agent)])
    ) stored,
    primary key (tenant, user_id, agent, key)
  )`,
  `create index memories_search on perdura.memories using gin (search)`,
  `create index memories_recent on perdura.memories (tenant, user_id, agent, updated_at desc)`,

  // Writes that were made, by a digest of the call that made them: no content, and kept when the
  // entry is erased, so that a late attempt does not bring it back.
  `create table perdura.memory_writes (
    tenant text not null,
    write text not null,
    outcome text not null,
    version bigint,
    at timestamptz not null default now(),
    primary key (tenant, write)
  )`,

  // Of that version of the entry; \`vector\` is a type of pgvector, which is not everywhere.
  `create table perdura.memory_embeddings (
    tenant text not null,
    user_id text not null,
    agent text not null,
    key text not null,
    model text not null,
    version bigint not null,
    embedding real[] not null,
    primary key (tenant, user_id, agent, key, model),
    foreign key (tenant, user_id, agent, key)
      references perdura.memories (tenant, user_id, agent, key) on delete cascade
  )`,

  `alter table perdura.messages add column pinned boolean not null default false`,
  `create index messages_pinned on perdura.messages (tenant, transcript, seq)
    where superseded_at is null and pinned`,
];
