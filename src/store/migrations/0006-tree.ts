/**
 * The tree of a session: `path` has the names from the root down to the session itself, and is null
 * for nobody's child, as `parent` and `root` are. Sessions are found by the root of their tree.
 */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table perdura.sessions add column path text[]`.execute(db);
  await sql`create index sessions_tree on perdura.sessions (tenant, root)
    where root is not null`.execute(db);
}
