/**
 * The only file that reads the process's environment. Everything else is handed a
 * {@link Settings}.
 */
import { resolve } from 'node:path';
import { DEFAULT_TASK_QUEUE, DEFAULT_TENANT, isTenant } from '../contracts/ids.js';
import { PerduraError } from '../contracts/failures.js';

/** What the environment decides. */
export interface Settings {
  /** Set when the caller names a Temporal server: nothing is started then. */
  readonly temporalAddress?: string;
  /** `TEMPORAL_NAMESPACE`, default `default`. */
  readonly temporalNamespace: string;
  /** Set when the caller has a PostgreSQL: none is started then. */
  readonly databaseUrl?: string;
  /** Folder of what `perdura dev` keeps. Default `.perdura` below the working directory. */
  readonly dataDir: string;
  readonly taskQueue: string;
  readonly tenant: string;
  readonly openai: {
    readonly apiKey?: string;
    readonly baseUrl?: string;
    /** `OPENAI_MODEL`: the model of the default agent. */
    readonly model?: string;
  };
  /** Path of `perdura.config.ts`, when `PERDURA_CONFIG` names one. */
  readonly configFile?: string;
  /** Workflows that one worker keeps in memory (`PERDURA_MAX_CACHED_WORKFLOWS`). */
  readonly maxCachedWorkflows?: number;
  /** `PERDURA_LOG_LEVEL`: debug, info, warn, error. Default warn. */
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the settings. Throws `Config.Invalid` naming the variable when one makes no sense. */
export function readSettings(env: Environment = process.env, cwd = process.cwd()): Settings {
  const tenant = env.PERDURA_TENANT || DEFAULT_TENANT;
  if (!isTenant(tenant)) {
    throw new PerduraError(
      'Config.Invalid',
      `PERDURA_TENANT is "${tenant}": use 1 to 40 of a-z, 0-9 and "-".`,
    );
  }
  const level = env.PERDURA_LOG_LEVEL || 'warn';
  if (!isLevel(level)) {
    throw new PerduraError(
      'Config.Invalid',
      `PERDURA_LOG_LEVEL is "${level}": use debug, info, warn or error.`,
    );
  }
  const cached = env.PERDURA_MAX_CACHED_WORKFLOWS;
  if (cached !== undefined && !/^[1-9]\d{0,5}$/.test(cached)) {
    throw new PerduraError(
      'Config.Invalid',
      `PERDURA_MAX_CACHED_WORKFLOWS is "${cached}": use a whole number from 1.`,
    );
  }
  return {
    ...optional('temporalAddress', env.TEMPORAL_ADDRESS),
    temporalNamespace: env.TEMPORAL_NAMESPACE || 'default',
    ...optional('databaseUrl', env.DATABASE_URL),
    dataDir: resolve(cwd, env.PERDURA_DATA_DIR || '.perdura'),
    taskQueue: env.PERDURA_TASK_QUEUE || DEFAULT_TASK_QUEUE,
    tenant,
    openai: {
      ...optional('apiKey', env.OPENAI_API_KEY),
      ...optional('baseUrl', env.OPENAI_BASE_URL),
      ...optional('model', env.OPENAI_MODEL),
    },
    ...optional('configFile', env.PERDURA_CONFIG),
    ...(cached === undefined ? {} : { maxCachedWorkflows: Number(cached) }),
    logLevel: level,
  };
}

function optional<K extends string>(key: K, value: string | undefined) {
  return (value ? { [key]: value } : {}) as { [P in K]?: string };
}

function isLevel(value: string): value is Settings['logLevel'] {
  return ['debug', 'info', 'warn', 'error'].includes(value);
}
