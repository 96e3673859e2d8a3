/**
 * The files of the built-in PostgreSQL: makes the cluster, keeps its password and port, and
 * deals with what an earlier process left. Does not run the server.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { foreignEnvironment } from '../config/environment.js';
import { PerduraError } from '../contracts/failures.js';
import type { Account, Programs } from './postgres-account.js';
import { commandLine, identify, isRunning } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';

const execute = promisify(execFile);

/** Superuser of the cluster, and name of the database. */
export const DATABASE_USER = 'perdura';

/** What `<dataDir>/postgres.json` (mode 0600) remembers. */
export interface ClusterState {
  readonly password: string;
  readonly port?: number;
  /** The process that started the server. */
  readonly owner?: ProcessIdentity;
}

export async function readState(dataDir: string): Promise<ClusterState | undefined> {
  const text = await readFile(stateFile(dataDir), 'utf8').catch(() => undefined);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as ClusterState);
  } catch {
    return undefined;
  }
}

export async function writeState(dataDir: string, state: ClusterState): Promise<void> {
  const aside = `${stateFile(dataDir)}.new`;
  await writeFile(aside, JSON.stringify(state, null, 2), { mode: 0o600, flush: true });
  await rename(aside, stateFile(dataDir));
}

function stateFile(dataDir: string): string {
  return join(dataDir, 'postgres.json');
}

/** A password for a cluster that is to be made. */
export function newState(): ClusterState {
  return { password: randomBytes(24).toString('base64url') };
}

/** Major version of the cluster in `folder`; undefined when there is none. */
export async function clusterVersion(folder: string): Promise<number | undefined> {
  const text = await readFile(join(folder, 'PG_VERSION'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : Number(text.trim());
}

/**
 * Makes a cluster: UTF-8, C collation (text sorts by code point, on every machine alike),
 * passwords by SCRAM. It is made aside and renamed: a folder that exists is whole.
 */
export async function makeCluster(
  folder: string,
  { password }: ClusterState,
  programs: Programs,
  account: Account | undefined,
): Promise<void> {
  const parent = dirname(folder);
  const prefix = `${basename(folder)}.new-`;
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true });
  }
  const work = join(parent, `${prefix}${randomBytes(4).toString('hex')}`);
  const cluster = join(work, 'cluster');
  const passwordFile = join(work, 'password');
  await mkdir(cluster, { recursive: true, mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600, flush: true });
  if (account) {
    for (const path of [work, cluster, passwordFile]) await chown(path, account.uid, account.gid);
  }
  await chmod(work, 0o700);
  const options = ['--no-locale', '--encoding=UTF8', '--auth=scram-sha-256', '--no-instructions'];
  try {
    await execute(
      programs.initdb,
      [
        `--pgdata=${cluster}`,
        `--username=${DATABASE_USER}`,
        `--pwfile=${passwordFile}`,
        ...options,
      ],
      { cwd: cluster, env: foreignEnvironment(), timeout: 120_000, ...account },
    );
    await rename(cluster, folder);
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new PerduraError(
      'Stack.Unavailable',
      `PostgreSQL could not create its files in ${folder}: ${stderr?.trim() || String(error)}\n` +
        'Check that the disk has room and the folder can be written, or set DATABASE_URL.',
      { cause: error },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** From SIGINT to SIGKILL, ms. */
const GRACE_MS = 10_000;

/**
 * Ends a server that outlived the process which started it, and drops a stale
 * `postmaster.pid`. Throws `Stack.Unavailable` when the server belongs to a process that runs.
 */
export async function clearLeftovers(folder: string, state: ClusterState): Promise<void> {
  const file = join(folder, 'postmaster.pid');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return;
  const pid = Number(text.split('\n')[0]);
  const server = identify(pid);
  // The pid may be anyone's by now; PostgreSQL itself would refuse to start over that.
  if (!server || !commandLine(pid).includes(folder)) {
    await rm(file, { force: true });
    return;
  }
  if (state.owner && isRunning(state.owner)) {
    throw new PerduraError(
      'Stack.Unavailable',
      `The PostgreSQL in ${folder} is in use by process ${state.owner.pid}. End that process, ` +
        'or set PERDURA_DATA_DIR to another folder.',
    );
  }
  // SIGINT is a fast shutdown: clients are cut off, data are written.
  process.kill(pid, 'SIGINT');
  for (let waited = 0; isRunning(server); waited += 50) {
    if (waited > GRACE_MS) {
      process.kill(pid, 'SIGKILL');
      break;
    }
    await sleep(50);
  }
}
