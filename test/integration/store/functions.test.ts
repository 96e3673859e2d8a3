/** SQL functions that `migrate` replaces when their text has changed. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { migrate, pendingMigrations } from '../../../src/store/migrate.js';
import { checkReady } from '../../../src/store/readiness.js';
import { execute, freshDatabase } from '../../support/databases.js';

let url: string;
let drop: () => Promise<void>;
let database: Database;
beforeAll(async () => {
  ({ url, drop } = await freshDatabase(inject('databaseUrl')));
  await migrate(url);
  database = openDatabase(url, { maxConnections: 2 });
});
afterAll(async () => {
  await database.close();
  await drop();
});

const body = async () => {
  const { rows } = await database.pool.query<{ body: string }>(
    `select prosrc as body from pg_proc where oid = 'perdura.append(jsonb)'::regprocedure`,
  );
  return rows[0]!.body;
};
const older = `update perdura.functions set revision = 0, checksum = 'older' where name = 'append'`;
const replaced = `create or replace function perdura.append(p jsonb) returns json language sql
  as 'select null::json'`;

it('functions: of an older text → a start is refused, `migrate` replaces them, a start is not refused', async () => {
  const current = await body();
  await execute(url, `${replaced}; ${older}`);
  await expect(checkReady(database)).rejects.toMatchObject({
    type: 'Store.NotMigrated',
    message: expect.stringMatching(/lacks function append\./) as string,
  });
  expect(await pendingMigrations(url)).toEqual(['function append']);
  await migrate(url);
  expect(await body()).toBe(current);
  await checkReady(database);
  expect(await pendingMigrations(url)).toEqual([]);
});

it('functions: missing, whatever is noted of them → a start is refused, `migrate` installs them', async () => {
  await execute(url, 'drop function perdura.open_session(jsonb)');
  await expect(checkReady(database)).rejects.toMatchObject({ type: 'Store.NotMigrated' });
  await migrate(url);
  await checkReady(database);
});

it('functions: of a later revision → a process of this version starts, and `migrate` leaves them alone', async () => {
  await execute(
    url,
    `${replaced}; update perdura.functions set revision = 99, checksum = 'later' where name = 'append'`,
  );
  await checkReady(database);
  await migrate(url);
  expect(await body()).toBe('select null::json');
  await execute(url, older);
  await migrate(url);
});

it('functions: several processes migrate at once → each succeeds, they are installed once', async () => {
  await execute(url, older);
  await Promise.all(Array.from({ length: 4 }, () => migrate(url)));
  await checkReady(database);
});
