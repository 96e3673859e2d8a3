/**
 * Finds the newest summary of a transcript without reading it. On a large table the index takes some
 * seconds, in which nothing is written.
 */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index messages_summaries on perdura.messages (tenant, transcript, seq)
    where superseded_at is null and body->>'role' = 'summary'`.execute(db);
}
