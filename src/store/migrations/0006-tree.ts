/**
 * Sessions that work for others. `parent` and `root` are run names (`session/lead`,
 * `execution/review-7`); `path` has the names from the root down to the session itself. All of them
 * are null for nobody's child. `kept` goes on when what is above it is stopped.
 */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table perdura.sessions
    add column parent text,
    add column root text,
    add column path text[],
    add column kept boolean not null default false`.execute(db);
  await sql`create index sessions_tree on perdura.sessions (tenant, root)
    where root is not null`.execute(db);
}
