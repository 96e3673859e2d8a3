/**
 * The only file that reads the process's environment. All other code takes a
 * {@link Settings}.
 */
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { DEFAULT_TASK_QUEUE, DEFAULT_TENANT, isTenant } from '../contracts/ids.js';
import { PerduraError } from '../contracts/failures.js';

/** What the environment decides. */
export interface Settings {
  /** Working directory: where `perdura.config.ts` is looked for, and what relative paths mean. */
  readonly cwd: string;
  /** Set when the caller names a Temporal server: nothing is started then. */
  readonly temporalAddress?: string;
  /**
   * `PERDURA_TEMPORAL`: the one kind of server to start (`cli`, `download` or
   * `java-test-server`), instead of the first that can be had.
   */
  readonly temporalKind?: LocalTemporalKind;
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
    /**
     * `PERDURA_OFFLINE_MODEL`, set by the process that starts the scripted offline model: what answers
     * at `baseUrl` is no real model, and costs nothing.
     */
    readonly offline?: true;
  };
  /** Path of `perdura.config.ts`, when `PERDURA_CONFIG` names one. */
  readonly configFile?: string;
  /** Workflows that one worker keeps in memory (`PERDURA_MAX_CACHED_WORKFLOWS`). */
  readonly maxCachedWorkflows?: number;
  /**
   * `PERDURA_HISTORY_LIMIT`: events of one run after which a session continues as new at the
   * next boundary of a turn. Default 1,000.
   */
  readonly historyLimit?: number;
  /** `PERDURA_LOG_LEVEL`: debug, info, warn, error. Default warn. */
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** `NO_COLOR` (https://no-color.org), or a terminal without colours: `TERM` is `dumb`. */
  readonly noColor: boolean;
  /** How this command was called, for those that it names: npm says when it was by `npx`. */
  readonly command: 'perdura' | 'npx perdura';
  /** Folder of what can be fetched again: `perdura` below `XDG_CACHE_HOME`, or below `~/.cache`. */
  readonly cacheDir: string;
  /** Folders of `PATH`, in order: where `temporal`, `java` and `mvn` are looked for. */
  readonly searchPath: readonly string[];
  /**
   * What `@temporalio/envconfig` reads: every `TEMPORAL_*` variable and the places of its
   * file. May hold an API key: pass it on, never print it.
   */
  readonly temporalVariables: Readonly<Record<string, string>>;
  /**
   * The value of a variable that the configuration names (`apiKeyEnv`), undefined when it is
   * unset or empty. A function, so that printed settings hold no secret.
   */
  readonly secret: (name: string) => string | undefined;
}

/** The Temporal servers that we can start. */
export const LOCAL_TEMPORAL_KINDS = ['cli', 'download', 'java-test-server'] as const;
export type LocalTemporalKind = (typeof LOCAL_TEMPORAL_KINDS)[number];

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
  const cached = wholeNumber(env, 'PERDURA_MAX_CACHED_WORKFLOWS');
  const historyLimit = wholeNumber(env, 'PERDURA_HISTORY_LIMIT');
  const kind = env.PERDURA_TEMPORAL || undefined;
  if (kind !== undefined && !isLocalKind(kind)) {
    throw new PerduraError(
      'Config.Invalid',
      `PERDURA_TEMPORAL is "${kind}": use ${LOCAL_TEMPORAL_KINDS.join(', ')}, or leave it out.`,
    );
  }
  return {
    cwd,
    ...optional('temporalAddress', env.TEMPORAL_ADDRESS),
    ...(kind === undefined ? {} : { temporalKind: kind }),
    temporalNamespace: env.TEMPORAL_NAMESPACE || 'default',
    ...optional('databaseUrl', env.DATABASE_URL),
    dataDir: resolve(cwd, env.PERDURA_DATA_DIR || '.perdura'),
    taskQueue: env.PERDURA_TASK_QUEUE || DEFAULT_TASK_QUEUE,
    tenant,
    openai: {
      ...optional('apiKey', env.OPENAI_API_KEY),
      ...optional('baseUrl', env.OPENAI_BASE_URL),
      ...optional('model', env.OPENAI_MODEL),
      ...(env.PERDURA_OFFLINE_MODEL === '1' && env.OPENAI_BASE_URL ? { offline: true } : {}),
    },
    ...optional('configFile', env.PERDURA_CONFIG && resolve(cwd, env.PERDURA_CONFIG)),
    ...(cached === undefined ? {} : { maxCachedWorkflows: cached }),
    ...(historyLimit === undefined ? {} : { historyLimit }),
    logLevel: level,
    noColor: Boolean(env.NO_COLOR) || env.TERM === 'dumb',
    command: env.npm_command === 'exec' ? 'npx perdura' : 'perdura',
    cacheDir: join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'perdura'),
    searchPath: (env.PATH ?? '').split(delimiter).filter(Boolean),
    temporalVariables: pick(env, (name) =>
      /^(TEMPORAL_.*|HOME|XDG_CONFIG_HOME|APPDATA)$/.test(name),
    ),
    secret: (name) => env[name] || undefined,
  };
}

/** The environment of one of our processes: this one's, with `overrides` (undefined removes). */
export function childEnvironment(
  overrides: Environment = {},
  env: Environment = process.env,
): Record<string, string> {
  return pick({ ...env, ...overrides }, () => true);
}

/**
 * The environment of a third-party program (PostgreSQL, Java, the Temporal CLI): without
 * our secrets, which it has no use for, and without libpq's variables, which would steer it.
 */
export function foreignEnvironment(env: Environment = process.env): Record<string, string> {
  return pick(env, (name) => !SECRET.test(name) && !/^(PG|TEMPORAL_|OPENAI_)/.test(name));
}

const SECRET = /KEY|TOKEN|SECRET|PASSW|CREDENTIAL|DATABASE_URL/i;

function pick(env: Environment, wanted: (name: string) => boolean): Record<string, string> {
  const picked: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && wanted(name)) picked[name] = value;
  }
  return picked;
}

function optional<K extends string>(key: K, value: string | undefined) {
  return (value ? { [key]: value } : {}) as { [P in K]?: string };
}

function isLocalKind(value: string): value is LocalTemporalKind {
  return (LOCAL_TEMPORAL_KINDS as readonly string[]).includes(value);
}

function wholeNumber(env: Environment, name: string): number | undefined {
  const value = env[name];
  if (value === undefined || value === '') return undefined;
  if (/^[1-9]\d{0,5}$/.test(value)) return Number(value);
  throw new PerduraError('Config.Invalid', `${name} is "${value}": use a whole number from 1.`);
}

function isLevel(value: string): value is Settings['logLevel'] {
  return ['debug', 'info', 'warn', 'error'].includes(value);
}
