/** Brings a database to the schema of this version. Safe to run from several processes at once. */
import { Migrator, sql, type Migration } from 'kysely';
import { PerduraError } from '../contracts/failures.js';
import { openDatabase, type Database } from './database.js';
import { codeOf, unreachable, withoutSecrets } from './store-errors.js';
import * as sessions from './migrations/0001-sessions.js';
import * as functions from './migrations/0002-functions.js';
import * as newestSummary from './migrations/0003-newest-summary.js';
import { installFunctions, outdatedFunctions } from './sql-functions.js';
import * as toolRunTries from './migrations/0004-tool-run-tries.js';
import * as agents from './migrations/0005-agents.js';
import * as tree from './migrations/0006-tree.js';
import * as steer from './migrations/0007-steer.js';
import * as mail from './migrations/0009-mail.js';
import * as memory from './migrations/0010-memory.js';
import * as embeddings from './migrations/0013-embeddings.js';
import * as pools from './migrations/0014-pools.js';
import * as requests from './migrations/0015-requests.js';
import * as forks from './migrations/0016-forks.js';

/** All migrations, in order. A migration that was released is never edited. */
const MIGRATIONS: Record<string, Migration> = {
  '0001-sessions': sessions,
  '0002-functions': functions,
  '0003-newest-summary': newestSummary,
  '0004-tool-run-tries': toolRunTries,
  '0005-agents': agents,
  '0006-tree': tree,
  '0007-steer': steer,
  '0009-mail': mail,
  '0010-memory': memory,
  '0013-embeddings': embeddings,
  '0014-pools': pools,
  '0015-requests': requests,
  '0016-forks': forks,
};

/**
 * Migrates the database behind `url` to the newest schema, in the PostgreSQL schema `perdura`, and
 * replaces the SQL functions that have changed. Rejects with `Store.Unavailable`, with `Store.TooNew`, or with the reason when a migration
 * fails; what it did is rolled back.
 */
export async function migrate(url: string): Promise<void> {
  // An index on a large table takes minutes, in silence.
  const database = openDatabase(url, { maxConnections: 2, silenceMs: 0 });
  try {
    const { unknown } = await schemaState(database);
    if (unknown.length > 0) throw tooNew(database, unknown);
    await createSchema(database);
    const { error } = await new Migrator({
      db: database.db,
      provider: { getMigrations: () => Promise.resolve(MIGRATIONS) },
      migrationTableSchema: 'perdura',
    }).migrateToLatest();
    if (error) throw error instanceof Error ? error : new Error(JSON.stringify(error));
    await installFunctions(database.db);
  } finally {
    await database.close();
  }
}

/** `if not exists` is no lock: of two processes one can still lose in PostgreSQL's catalogue. */
async function createSchema({ db }: Database): Promise<void> {
  const create = () => sql`create schema if not exists perdura`.execute(db);
  await create().catch(create);
}

/** By what a database and this version differ. */
export interface SchemaState {
  /** What the database lacks: migrations, and functions (`function append`). */
  readonly pending: readonly string[];
  /** What it has and this version does not know: a newer one has migrated it. */
  readonly unknown: readonly string[];
}

/** No such schema, no such table: nothing was migrated yet. PostgreSQL's manual, appendix A. */
const NOTHING_THERE = /^(3F000|42P01)$/;

/** Rejects with `Store.Unavailable`, also where the server does not let us in. */
export async function schemaState(database: Database): Promise<SchemaState> {
  const done = await sql<{ name: string }>`select name from perdura.kysely_migration`
    .execute(database.db)
    .then(
      ({ rows }) => rows.map(({ name }) => name),
      (error: unknown): string[] => {
        if (NOTHING_THERE.test(codeOf(error))) return [];
        throw unreachable(database, error);
      },
    );
  const migrations = Object.keys(MIGRATIONS).filter((name) => !done.includes(name));
  return {
    // Functions are noted in a table that a migration makes.
    pending: migrations.length > 0 ? migrations : await missingFunctions(database),
    unknown: done.filter((name) => !Object.hasOwn(MIGRATIONS, name)),
  };
}

async function missingFunctions(database: Database): Promise<readonly string[]> {
  const outdated = await outdatedFunctions(database.db).catch((error: unknown) => {
    throw unreachable(database, error);
  });
  return outdated.map(({ name }) => `function ${name}`);
}

export function tooNew({ url }: Database, unknown: readonly string[]): PerduraError {
  return new PerduraError(
    'Store.TooNew',
    `The database ${withoutSecrets(url)} was migrated by a newer version of Perdura: it has ${unknown.join(', ')}.`,
  );
}

/** Names of the migrations and functions that the database still lacks. Rejects as {@link migrate}. */
export async function pendingMigrations(url: string): Promise<readonly string[]> {
  const database = openDatabase(url, { maxConnections: 1 });
  try {
    const { pending, unknown } = await schemaState(database);
    if (unknown.length > 0) throw tooNew(database, unknown);
    return pending;
  } finally {
    await database.close();
  }
}
