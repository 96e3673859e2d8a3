/**
 * Definitions of agents by their version, the agents that were made at run time, and templates. A
 * session says which version it runs, whose child it is, and what becomes of it when that ends; an
 * attempt says for which agent it was paid.
 */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // Never updated: a version is the digest of its definition.
  `create table perdura.agent_versions (
    tenant text not null,
    agent text not null,
    version text not null,
    definition json not null,
    created_at timestamptz not null default now(),
    primary key (tenant, agent, version)
  )`,
  // Agents made at run time. Those of a configuration are in its file.
  `create table perdura.agents (
    tenant text not null,
    agent text not null,
    version text not null,
    template text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant, agent)
  )`,
  `create table perdura.agent_templates (
    tenant text not null,
    template text not null,
    body json not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant, template)
  )`,
  `alter table perdura.sessions
    add column if not exists version text,
    add column if not exists parent text,
    add column if not exists root text,
    add column if not exists on_parent_end text`,
  `create index sessions_children on perdura.sessions (tenant, parent) where parent is not null`,
  `create index sessions_created on perdura.sessions (tenant, created_at desc, session desc)`,
  `alter table perdura.attempts add column if not exists agent text`,
];
