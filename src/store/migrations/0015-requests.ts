/**
 * What waits for a person, a row for each request, and the decisions that people want remembered.
 * Requests are entered by `perdura.append`; who decides one changes its row, which succeeds once.
 */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table perdura.requests (
    tenant text not null,
    -- The idempotency key of its call.
    id text not null,
    n bigint generated always as identity,
    kind text not null,
    state text not null default 'waiting',
    session text not null,
    workflow_id text not null,
    -- Name of the run at the top of the tree, and the sessions from there down to this one.
    root text not null,
    path text[] not null,
    call_key text not null,
    turn int not null,
    step int not null,
    agent text not null,
    name text not null,
    server text,
    -- As text: what was approved is what runs, byte by byte.
    arguments text not null,
    digest text not null,
    schema jsonb,
    rule text,
    role text,
    requesters text[] not null,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    decided_at timestamptz,
    decided_by text,
    reason text,
    -- Where who decided has changed the arguments.
    edited text,
    edited_digest text,
    -- Of a question.
    answer text,
    granted text,
    -- When the workflow is told again of a decision that it has not acted on.
    signal_at timestamptz,
    -- Since when the call has its result.
    taken_at timestamptz,
    primary key (tenant, id)
  )`,
  `create index requests_waiting on perdura.requests (tenant, n) where state = 'waiting'`,
  `create index requests_decided on perdura.requests (tenant, decided_at desc)
    where state <> 'waiting'`,
  `create index requests_session on perdura.requests (tenant, session, turn) where taken_at is null`,
  `create index requests_root on perdura.requests (tenant, root, n)`,
  `create index requests_untold on perdura.requests (signal_at)
    where taken_at is null and state <> 'waiting'`,
  `create table perdura.approval_grants (
    tenant text not null,
    id text not null,
    scope text not null,
    session text not null,
    user_id text,
    tool text not null,
    -- Of scope "call".
    digest text,
    role text,
    -- The request whose approval was to be remembered.
    request text not null,
    granted_by text not null,
    reason text,
    created_at timestamptz not null default clock_timestamp(),
    until timestamptz,
    revoked_at timestamptz,
    revoked_by text,
    primary key (tenant, id)
  )`,
  `create index approval_grants_open on perdura.approval_grants (tenant, tool)
    where revoked_at is null`,
];
