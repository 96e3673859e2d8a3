/**
 * What a run of a tool has used up: the tries that its infrastructure failed, and those that
 * took their worker with them. `holder` is the try that is under way, `result` is kept where no
 * transcript has it.
 */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table perdura.tool_runs
    add column failures int not null default 0,
    add column deaths int not null default 0,
    add column holder text,
    add column failure text,
    add column result json`.execute(db);
}
