/** Where the functions of `src/store/functions` are noted, by revision and checksum. */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table perdura.functions (
    name text primary key,
    revision int not null,
    checksum text not null,
    installed_at timestamptz not null default now()
  )`.execute(db);
}
