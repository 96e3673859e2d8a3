/** Brings a database to the schema of this version. Safe to run from several processes at once. */
import { Migrator, sql, type Migration } from 'kysely';
import { openDatabase, type Database } from './database.js';
import * as sessions from './migrations/0001-sessions.js';

/** All migrations, in order. A migration that was released is never edited. */
const MIGRATIONS: Record<string, Migration> = { '0001-sessions': sessions };

/**
 * Migrates the database behind `url` to the newest schema, in the PostgreSQL schema `perdura`.
 * Rejects with the reason when a migration fails; what it did is rolled back.
 */
export async function migrate(url: string): Promise<void> {
  const database = openDatabase(url, { maxConnections: 2 });
  try {
    await createSchema(database);
    const { error } = await new Migrator({
      db: database.db,
      provider: { getMigrations: () => Promise.resolve(MIGRATIONS) },
      migrationTableSchema: 'perdura',
    }).migrateToLatest();
    if (error) throw error instanceof Error ? error : new Error(JSON.stringify(error));
  } finally {
    await database.close();
  }
}

/** `if not exists` is no lock: of two processes one can still lose in PostgreSQL's catalogue. */
async function createSchema({ db }: Database): Promise<void> {
  const create = () => sql`create schema if not exists perdura`.execute(db);
  await create().catch(create);
}

/** Names of the migrations that the database still lacks. */
export async function pendingMigrations(url: string): Promise<string[]> {
  const database = openDatabase(url, { maxConnections: 1 });
  try {
    const done = await sql<{ name: string }>`select name from perdura.kysely_migration`
      .execute(database.db)
      .then(
        ({ rows }) => new Set(rows.map((row) => row.name)),
        () => new Set<string>(),
      );
    return Object.keys(MIGRATIONS).filter((name) => !done.has(name));
  } finally {
    await database.close();
  }
}
