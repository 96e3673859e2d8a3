/**
 * A PostgreSQL with pgvector, which the built-in one has not: that of PERDURA_TEST_PGVECTOR (a folder
 * with `bin/postgres`), or one of Debian's packages. A cluster of its own in a temporary folder.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/stack/free-port.js';
import { runGuarded } from '../../src/stack/guarded-process.js';
import { postgresAccount } from '../../src/stack/postgres-account.js';
import { DATABASE_USER, makeCluster, newState } from '../../src/stack/postgres-cluster.js';
import { answers, createDatabase } from '../../src/stack/postgres-connect.js';

const DEBIAN = '/usr/lib/postgresql';
const START_TIMEOUT_MS = 60_000;

/** Folder of an installation with pgvector; empty where there is none. */
export function pgvectorFolder(): string {
  const named = process.env.PERDURA_TEST_PGVECTOR;
  if (named) return named;
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort() : [];
  const found = versions.findLast((version) =>
    existsSync(`/usr/share/postgresql/${version}/extension/vector.control`),
  );
  return found === undefined ? '' : join(DEBIAN, found);
}

export interface VectorPostgres {
  /** Its user may do everything. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a server of that installation, on a free port. */
export async function startVectorPostgres(installation: string): Promise<VectorPostgres> {
  const account = postgresAccount();
  const home = await mkdtemp(join(tmpdir(), 'perdura-pgvector-'));
  await chmod(home, 0o711);
  const postgres = join(installation, 'bin', 'postgres');
  const version = execFileSync(postgres, ['--version'], { encoding: 'utf8' });
  const major = Number(/(\d+)/.exec(version)![1]);
  const programs = { postgres, initdb: join(installation, 'bin', 'initdb'), major };
  const folder = join(home, 'cluster');
  const state = newState();
  await makeCluster(folder, state, programs, account);
  const port = await freePort();
  const server = runGuarded({
    command: postgres,
    args: [
      ...['-D', folder, '-p', String(port), '-c', 'listen_addresses=127.0.0.1'],
      ...['-c', 'unix_socket_directories=', '-c', 'max_connections=200', '-c', 'fsync=off'],
    ],
    stopSignal: 'INT',
    cwd: folder,
    account,
  });
  const stop = async () => {
    await server.stop();
    await rm(home, { recursive: true, force: true });
  };
  const base = `postgres://${DATABASE_USER}:${state.password}@127.0.0.1:${port}`;
  const failure = await answers(`${base}/postgres`, server, Date.now() + START_TIMEOUT_MS);
  if (failure !== undefined) {
    const said = server.lastOutput();
    await stop();
    throw new Error(`The PostgreSQL of ${installation} did not start: ${failure}\n${said}`);
  }
  const name = `vectors_${randomBytes(4).toString('hex')}`;
  await createDatabase(`${base}/postgres`, name);
  return { url: `${base}/${name}`, stop };
}
