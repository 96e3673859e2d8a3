/** Sessions that go on from a turn of another one, and the names that people give to turns. */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  // {session, turn, checkpoint?}: where it was forked.
  `alter table perdura.sessions add column fork jsonb`,
  `create table perdura.checkpoints (
    tenant text not null,
    session text not null,
    name text not null,
    turn int not null,
    note text,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    primary key (tenant, session, name)
  )`,
  `create index checkpoints_expiry on perdura.checkpoints (expires_at) where expires_at is not null`,
];
