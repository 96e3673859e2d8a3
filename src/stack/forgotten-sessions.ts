/**
 * Temporal's Java test server keeps workflows in memory. When it begins, no session runs, whatever
 * the catalogue says of the time before.
 */
import { channelOf } from '../live/bus.js';
import { openDatabase } from '../store/database.js';
import { lostTurn } from '../store/lost-turn.js';
import { openStores } from '../store/stores.js';

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
    const stores = openStores(database);
    let query = database.db
      .selectFrom('perdura.sessions as s')
      .innerJoin('perdura.transcripts as t', (join) =>
        join.onRef('t.tenant', '=', 's.tenant').onRef('t.transcript', '=', 's.transcript'),
      )
      .where('s.state', 'in', ['running', 'paused'])
      .select(['s.tenant', 's.session', 's.transcript', 't.run']);
    if (ofTenant !== undefined) query = query.where('s.tenant', '=', ofTenant);
    for (const { tenant, session, transcript, run } of await query.execute()) {
      const key = { tenant, session };
      await stores.attempts.giveUp(key);
      // A note in the name of the run that is gone: it fences nothing, should that run be elsewhere.
      await stores.transcripts.append(
        { ...key, transcript, run, head: 0 },
        {
          channel: channelOf(key),
          events: await lostTurn(stores, key),
          updates: { state: 'idle', force: true },
          // Nobody waits any more for what its turn has asked of people.
          withdraw: {},
        },
      );
    }
  } finally {
    await database.close();
  }
}
