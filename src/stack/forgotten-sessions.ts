/**
 * Temporal's Java test server keeps workflows in memory. When it begins, no session runs, whatever
 * the catalogue says of the time before.
 */
import { randomUUID } from 'node:crypto';
import { channelOf } from '../live/bus.js';
import { openDatabase } from '../store/database.js';
import { giveUpAttempts } from '../store/attempts.js';
import { lostTurn } from '../store/lost-turn.js';
import { TranscriptStore } from '../store/transcript-store.js';

/**
 * Ends the turns that were under way and sets their sessions idle; the next message starts their
 * workflows again. Only for a database whose sessions have all run on the server that is gone.
 */
export async function settleForgottenSessions(
  databaseUrl: string,
  /** Of this tenant alone. Default: of all. */
  ofTenant?: string,
): Promise<void> {
  const database = openDatabase(databaseUrl, { maxConnections: 2 });
  try {
    const transcripts = new TranscriptStore(database);
    let query = database.db
      .selectFrom('perdura.sessions')
      .where('state', 'in', ['running', 'paused'])
      .select(['tenant', 'session', 'transcript', 'agent', 'workflow_id as workflowId']);
    if (ofTenant !== undefined) query = query.where('tenant', '=', ofTenant);
    const rows = await query.execute();
    for (const row of rows) {
      const { tenant, session, transcript } = row;
      const key = { tenant, session };
      // A life of its own: whatever still writes for the one before is fenced.
      const run = `forgotten-${randomUUID()}`;
      const { head } = await transcripts.openSession({ ...row, run });
      await giveUpAttempts(database, key);
      await transcripts.append(
        { ...key, transcript, run, stage: 0, head },
        {
          channel: channelOf(key),
          events: await lostTurn(database, key),
          updates: { state: 'idle', force: true },
        },
      );
    }
  } finally {
    await database.close();
  }
}
