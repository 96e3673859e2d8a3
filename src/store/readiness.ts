/**
 * Whether a database can be worked with: it answers, and has the schema and the SQL functions of
 * this version. A process asks when it starts, and is refused with the reason; one that runs waits.
 *
 * In a rolling deploy `migrate` of the new version comes first. Processes of the old version go on,
 * since new functions take old parameters; one that is started again accepts functions of a later
 * revision, and is refused (`Store.TooNew`) only where a migration came with them.
 */
import { sql } from 'kysely';
import { PerduraError } from '../contracts/failures.js';
import type { Database } from './database.js';
import { unreachable, withoutSecrets } from './store-errors.js';
import { schemaState, tooNew } from './migrate.js';

/** Rejects with `Store.Unavailable`, `Store.NotMigrated` or `Store.TooNew`. */
export async function checkReady(database: Database): Promise<void> {
  const { pending, unknown } = await schemaState(database);
  if (unknown.length > 0) throw tooNew(database, unknown);
  if (pending.length > 0) {
    throw new PerduraError(
      'Store.NotMigrated',
      `The database ${withoutSecrets(database.url)} lacks ${pending.join(', ')}.`,
    );
  }
}

/** Rejects with `Store.Unavailable`. One round trip. */
export async function checkAnswers(database: Database): Promise<void> {
  await sql`select 1`.execute(database.db).catch((error: unknown) => {
    throw unreachable(database, error);
  });
}
