/**
 * Turns that were rolled back: their messages are superseded, and their ids stay taken. The index
 * finds those ids; it has nothing but messages of such turns.
 */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table perdura.messages
    add column rolled_back boolean not null default false`.execute(db);
  await sql`create index messages_rolled_back
    on perdura.messages (tenant, transcript, message_id) where rolled_back`.execute(db);
}
