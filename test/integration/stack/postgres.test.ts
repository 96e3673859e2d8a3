import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startPostgres } from '../../../src/stack/postgres.js';
import type { PostgresOptions, RunningPostgres } from '../../../src/stack/postgres.js';
import { eventually, holder, isAlive, temporaryFolder } from './support.js';

async function start(options: PostgresOptions): Promise<RunningPostgres> {
  const server = await startPostgres(options);
  onTestFinished(() => server.stop());
  return server;
}

async function query<T extends pg.QueryResultRow>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('built-in PostgreSQL', { timeout: 60_000 }, () => {
  it('stop and start again → same URL, data kept', async () => {
    const dataDir = await temporaryFolder();
    const first = await start({ dataDir });
    await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS n');
    await first.stop();
    expect(isAlive(first.pid)).toBe(false);

    const second = await start({ dataDir });
    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  });

  it('settings → UTF-8, C collation, fsync on, passwords by SCRAM, loopback only', async () => {
    const { url } = await start({ dataDir: await temporaryFolder() });
    const [row] = await query(
      url,
      `SELECT pg_encoding_to_char(encoding) AS encoding, datcollate,
              current_setting('fsync') AS fsync, current_setting('listen_addresses') AS listen,
              current_setting('unix_socket_directories') AS sockets,
              (SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = 'perdura') AS password
         FROM pg_database WHERE datname = current_database()`,
    );
    expect(row).toEqual({
      encoding: 'UTF8',
      datcollate: 'C',
      fsync: 'on',
      listen: '127.0.0.1',
      sockets: '',
      password: 'SCRAM-SHA-256',
    });
  });

  it('password → long, kept in a file that only we can read, and needed', async () => {
    const dataDir = await temporaryFolder();
    const { url } = await start({ dataDir });
    const { password } = new URL(url);
    expect(password.length).toBeGreaterThanOrEqual(32);
    expect((await stat(join(dataDir, 'postgres.json'))).mode & 0o777).toBe(0o600);
    const wrong = url.replace(password, 'guess');
    await expect(query(wrong, 'SELECT 1')).rejects.toThrow('password authentication failed');
  });

  it('its process died of -9 → what was committed is there', async () => {
    const dataDir = await temporaryFolder();
    const first = await start({ dataDir });
    await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS n');
    first.kill();
    await first.ended;
    const second = await start({ dataDir });
    expect(await query(second.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  });

  it('our process died of -9 → the server ends by itself', async () => {
    const dataDir = await temporaryFolder();
    const { held, kill } = await holder('postgres', dataDir);
    await query(held.url!, 'CREATE TABLE kept AS SELECT 7 AS n');
    await kill();
    await eventually('the server is gone', () => !isAlive(held.pid));
    const next = await start({ dataDir });
    expect(await query(next.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  });

  it('our process and the guard died of -9 → the next start ends the orphan', async () => {
    const dataDir = await temporaryFolder();
    const { held, kill } = await holder('postgres', dataDir);
    const postmaster = await postmasterOf(dataDir);
    process.kill(held.pid, 'SIGSTOP');
    await kill();
    process.kill(held.pid, 'SIGKILL');
    expect(isAlive(postmaster)).toBe(true);

    const next = await start({ dataDir });
    expect(isAlive(postmaster)).toBe(false);
    expect(await query(next.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });

  it('postmaster.pid of somebody else’s process → ignored', async () => {
    const dataDir = await temporaryFolder();
    const first = await start({ dataDir });
    await first.stop();
    const file = join(dataDir, 'postgres', 'postmaster.pid');
    await writeFile(file, `${process.pid}\n${join(dataDir, 'postgres')}\n`);
    const second = await start({ dataDir });
    expect(await query(second.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });

  it('a second start on the same folder → refused, the first goes on', async () => {
    const dataDir = await temporaryFolder();
    const first = await start({ dataDir });
    await expect(startPostgres({ dataDir })).rejects.toMatchObject({
      type: 'Stack.Unavailable',
      message: expect.stringContaining(`in use by process ${process.pid}`) as string,
    });
    expect(await query(first.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });

  it('the remembered port is taken → another port, same data', async () => {
    const dataDir = await temporaryFolder();
    const first = await start({ dataDir });
    await first.stop();
    const { port } = new URL(first.url);
    const other = await start({ dataDir: await temporaryFolder(), port: Number(port) });
    expect(new URL(other.url).port).toBe(port);
    const second = await start({ dataDir });
    expect(new URL(second.url).port).not.toBe(port);
  });

  it('the file with the password is lost → says which, and both ways out', async () => {
    const dataDir = await temporaryFolder();
    const first = await start({ dataDir });
    await first.stop();
    await rm(join(dataDir, 'postgres.json'));
    await expect(startPostgres({ dataDir })).rejects.toThrow(
      /postgres\.json with its password is missing\. Put the file back, or move the folder away/,
    );
  });

  it.runIf(process.getuid?.() === 0)(
    'root, in a folder that only root may enter → data elsewhere, found again',
    async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'perdura-closed-'));
      await chmod(dataDir, 0o700);
      const first = await start({ dataDir });
      const home = execFileSync('readlink', [join(dataDir, 'postgres')], { encoding: 'utf8' });
      expect(home).toMatch(/^\/var\/lib\/perdura\//);
      onTestFinished(async () => {
        await rm(dirname(home.trim()), { recursive: true });
        await rm(dataDir, { recursive: true });
      });
      await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS n');
      await first.stop();
      const second = await start({ dataDir });
      expect(await query(second.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
      await second.stop();
    },
  );
});

async function postmasterOf(dataDir: string): Promise<number> {
  const file = join(dataDir, 'postgres', 'postmaster.pid');
  return Number((await readFile(file, 'utf8')).split('\n')[0]);
}
