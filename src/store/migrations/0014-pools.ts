/**
 * Pools of agents: limits, who is at work and who waits. A pool belongs to the operator and spans
 * tenants; each claim on it has its tenant. Claims are changed by the functions `pool_*` alone, under
 * the lock of the pool's row.
 */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table perdura.pools (
    pool text primary key,
    max_at_work int not null,
    -- Null: as many as the pool has.
    max_per_tenant int,
    -- In place of it, by tenant.
    tenants jsonb not null default '{}',
    -- Digest of the limits that a configuration has declared last. Null: made at run time.
    declared text,
    -- Slots given so far: the clock by which tenants take turns.
    grants bigint not null default 0,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
  )`,
  `create table perdura.pool_tenants (
    pool text not null references perdura.pools (pool) on delete cascade,
    tenant text not null,
    last_grant bigint not null default 0,
    grants bigint not null default 0,
    -- Time that slots were held, of turns that are over, ms.
    served_ms bigint not null default 0,
    primary key (pool, tenant)
  )`,
  // One for each session (or transcript of an application's workflow) that is at work or waits.
  `create table perdura.pool_claims (
    tenant text not null,
    session text not null,
    pool text not null references perdura.pools (pool) on delete cascade,
    workflow_id text not null,
    agent text not null,
    run text not null,
    turn int not null,
    -- Of the activity that asked last: a late one must not undo what came after it.
    stage bigint not null,
    attempt int not null,
    priority int not null default 0,
    -- waiting; granted: its workflow is told; held: an activity of it is at work.
    state text not null,
    since timestamptz not null default clock_timestamp(),
    -- Orders the line of a tenant: since when, a minute earlier for each point of priority.
    rank timestamptz not null,
    -- Since when it has the slot; later by the time in which its holder was dead.
    granted_at timestamptz,
    lease_ms int not null,
    -- When the slot comes back unless it is renewed.
    lease_until timestamptz,
    -- When the workflow is told again, of a slot that no activity has taken.
    signal_at timestamptz,
    primary key (tenant, session)
  )`,
  `create index pool_claims_line on perdura.pool_claims (pool, tenant, rank, session)
    where state = 'waiting'`,
  `create index pool_claims_at_work on perdura.pool_claims (pool, lease_until)
    where state <> 'waiting'`,
];
