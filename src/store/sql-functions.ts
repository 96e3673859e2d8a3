/**
 * The SQL functions of this version, each in a file of its own under `functions`. Migrations are
 * frozen; these are replaced by `migrate` whenever their text has changed. What is installed is
 * noted in `perdura.functions`.
 *
 * A rolling deploy has processes of two versions on one database. So a function takes what earlier
 * versions give it, and a process accepts a function of a later revision than its own.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { sql, type Kysely } from 'kysely';
import type { Tables } from './tables.js';

/** Raised with each change of the file; `test/unit/store/sql-functions.test.ts` holds the pairs. */
const REVISIONS: Readonly<Record<string, number>> = {
  append: 7,
  open_session: 3,
  remember: 1,
  erase_session: 3,
  fork: 1,
  pool_fill: 1,
  pool_leave: 1,
  pool_set: 1,
  pool_sweep: 1,
  pool_take: 1,
};

/** A function, as it is to be installed. */
export interface SqlFunction {
  readonly name: string;
  readonly revision: number;
  /** SHA-256 of its text. */
  readonly checksum: string;
  readonly text: string;
}

let read: readonly SqlFunction[] | undefined;

/** The functions of this version. Their files are beside this one, in `src` as in `dist`. */
export function sqlFunctions(): readonly SqlFunction[] {
  return (read ??= Object.entries(REVISIONS).map(([name, revision]) => {
    const file = new URL(`./functions/${name}.sql`, import.meta.url);
    const text = readFileSync(file, 'utf8').replaceAll('\r\n', '\n');
    return { name, revision, checksum: createHash('sha256').update(text).digest('hex'), text };
  }));
}

/** Functions that the database lacks or has in another text. A later revision is as good. */
export async function outdatedFunctions(db: Kysely<Tables>): Promise<readonly SqlFunction[]> {
  const { rows } = await sql<{ name: string; revision: number; checksum: string }>`
    select name, revision, checksum from perdura.functions
      where to_regprocedure('perdura.' || name || '(jsonb)') is not null`.execute(db);
  return sqlFunctions().filter(({ name, revision, checksum }) => {
    const installed = rows.find((row) => row.name === name);
    return !installed || (installed.revision <= revision && installed.checksum !== checksum);
  });
}

/** Installs what is outdated, all or nothing. A second process waits, and finds nothing to do. */
export async function installFunctions(db: Kysely<Tables>): Promise<void> {
  if ((await outdatedFunctions(db)).length === 0) return;
  await db.transaction().execute(async (transaction) => {
    await sql`lock table perdura.functions in exclusive mode`.execute(transaction);
    for (const { name, revision, checksum, text } of await outdatedFunctions(transaction)) {
      await sql.raw(text).execute(transaction);
      await sql`
        insert into perdura.functions (name, revision, checksum)
          values (${name}, ${revision}, ${checksum})
          on conflict (name) do update set revision = excluded.revision,
            checksum = excluded.checksum, installed_at = now()`.execute(transaction);
    }
  });
}
