/**
 * What `perdura doctor` looks at. Changes nothing and starts nothing; never prints a secret.
 */
import { access, constants, mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '../config/environment.js';
import { FAILURES, PerduraError } from '../contracts/failures.js';
import { pendingMigrations } from '../store/migrate.js';
import { withoutSecrets } from '../store/store-errors.js';
import { askDatabase } from './database.js';
import { readRunningStack } from './dev-lock.js';
import { isTaken } from './free-port.js';
import { postgresAccount, postgresPrograms } from './postgres-account.js';
import { type Check, failed } from './doctor-check.js';
import { checkTemporal } from './doctor-temporal.js';

/** Oldest Node that is supported. */
const OLDEST_NODE = [20, 19] as const;

/** Runs all checks, which takes at most about ten seconds. Never throws. */
export async function runDoctor(settings: Settings): Promise<Check[]> {
  const checks: readonly (readonly [string, () => Check[] | Promise<Check[]>])[] = [
    ['Node', () => [checkNode(process.versions.node)]],
    ['Folder', () => checkFolder(settings)],
    ['Configuration', () => checkConfiguration(settings)],
    ['Running', () => checkRunning(settings)],
    ['Temporal', () => checkTemporal(settings)],
    ['PostgreSQL', () => checkDatabase(settings)],
    ['Model', () => checkModel(settings)],
  ];
  const results = await Promise.all(
    checks.map(async ([name, check]) => {
      try {
        return await check();
      } catch (error) {
        return [failed(name, error)];
      }
    }),
  );
  return results.flat();
}

export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const ok = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  return {
    name: 'Node',
    ok,
    detail: `Node ${version}`,
    ...(ok
      ? {}
      : { remedy: `Install Node ${OLDEST_NODE.join('.')} or later (https://nodejs.org).` }),
  };
}

async function checkFolder({ dataDir }: Settings): Promise<Check[]> {
  try {
    const made = await mkdir(dataDir, { recursive: true, mode: 0o711 });
    await access(dataDir, constants.W_OK | constants.X_OK);
    // It was made for the question. One that is in use by now is not empty, and stays.
    if (made !== undefined) await rmdir(dataDir).catch(() => undefined);
    return [{ name: 'Folder', ok: true, detail: `${dataDir} can be written` }];
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    const remedy = 'Change its owner, or set PERDURA_DATA_DIR to a folder that you own.';
    return [
      { name: 'Folder', ok: false, detail: `${dataDir} cannot be written (${code})`, remedy },
    ];
  }
}

async function checkConfiguration({ configFile }: Settings): Promise<Check[]> {
  const name = 'Configuration';
  if (configFile !== undefined) {
    await access(configFile, constants.R_OK).catch(() => {
      throw new PerduraError(
        'Config.Invalid',
        `PERDURA_CONFIG is "${configFile}", which cannot be read. Correct the path, or unset it.`,
      );
    });
    return [{ name, ok: true, detail: configFile }];
  }
  const usual = join(process.cwd(), 'perdura.config.ts');
  const found = await access(usual).then(
    () => true,
    () => false,
  );
  return [{ name, ok: true, detail: found ? usual : 'no perdura.config.ts: the default agent' }];
}

async function checkRunning(settings: Settings): Promise<Check[]> {
  const running = await readRunningStack(settings);
  if (running) {
    return [
      { name: 'Running', ok: true, detail: `a stack, Temporal at ${running.temporalAddress}` },
    ];
  }
  const taken = (await isTaken(7233))
    ? ', port 7233 is taken by another program: `perdura dev` chooses a free one'
    : '';
  return [{ name: 'Running', ok: true, detail: `no stack in this folder${taken}` }];
}

async function checkDatabase(settings: Settings): Promise<Check[]> {
  const name = 'PostgreSQL';
  const url = settings.databaseUrl;
  if (url === undefined) {
    const account = postgresAccount();
    const { major, postgres } = await postgresPrograms(account);
    const as = account ? `, as uid ${account.uid} (it does not run as root)` : '';
    return [{ name, ok: true, detail: `built-in PostgreSQL ${major}${as}: ${postgres}` }];
  }
  const version = await askDatabase(url, 5_000);
  const detail = `PostgreSQL ${version} at ${withoutSecrets(url)}`;
  try {
    const pending = await pendingMigrations(url);
    if (pending.length === 0) return [{ name, ok: true, detail }];
    const { remedy } = FAILURES['Store.NotMigrated'];
    return [{ name, ok: false, detail: `${detail} lacks ${pending.join(', ')}`, remedy }];
  } catch (error) {
    if (!(error instanceof PerduraError)) throw error;
    return [{ name, ok: false, detail: error.message, remedy: FAILURES[error.type].remedy }];
  }
}

async function checkModel({ openai }: Settings): Promise<Check[]> {
  const name = 'Model';
  const { apiKey, baseUrl } = openai;
  if (apiKey === undefined && baseUrl === undefined) {
    const remedy = 'Set OPENAI_API_KEY, or OPENAI_BASE_URL for a compatible endpoint.';
    return [{ name, ok: true, detail: 'no API key: the offline model answers', remedy }];
  }
  const url = `${(baseUrl ?? 'https://api.openai.com/v1').replace(/\/+$/, '')}/models`;
  const where = withoutSecrets(url);
  try {
    const response = await fetch(url, {
      headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
      signal: AbortSignal.timeout(5_000),
    });
    await response.body?.cancel();
    if (response.status === 401 || response.status === 403) {
      const detail = `${where} refuses the key (${response.status})`;
      return [{ name, ok: false, detail, remedy: 'Correct OPENAI_API_KEY.' }];
    }
    // Not every compatible endpoint lists its models: that it answers is enough.
    return [{ name, ok: true, detail: `${where} answers (${response.status})` }];
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { code?: string } };
    const detail = `${where} does not answer (${cause?.code ?? message})`;
    return [{ name, ok: false, detail, remedy: 'Check OPENAI_BASE_URL, the network and proxies.' }];
  }
}
