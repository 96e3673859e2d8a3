/** A program that migrates the database of `DATABASE_URL` and ends: a container's one-shot. */
import { readSettings } from '../config/environment.js';
import { migrate } from '../store/migrate.js';
import { PerduraError, withRemedy } from '../contracts/failures.js';
import { reasonOf, withoutSecrets } from '../store/store-errors.js';

const { databaseUrl } = readSettings();
if (databaseUrl === undefined) {
  console.error('DATABASE_URL is not set: give it as postgres://user:password@host:port/database.');
  process.exitCode = 1;
} else {
  try {
    await migrate(databaseUrl);
    console.log(`The tables in ${withoutSecrets(databaseUrl)} are up to date.`);
  } catch (error) {
    const reason = error instanceof PerduraError ? withRemedy(error) : reasonOf(error);
    console.error(`Migrating ${withoutSecrets(databaseUrl)} failed: ${reason}`);
    process.exitCode = 1;
  }
}
