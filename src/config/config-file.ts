/**
 * Finds and runs `perdura.config.ts`, which is code of the operator. What it exports is
 * checked here against the schema; YAML, references and the environment come later.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createJiti } from 'jiti';
import { PerduraError } from '../contracts/failures.js';
import type { Settings } from './environment.js';
import { configSchema } from './config-schema.js';
import type { PerduraConfig } from './define-config.js';
import { pathText, throwProblems } from './problems.js';
import { problemsOf } from './schema-words.js';

const NAMES = ['ts', 'mts', 'js', 'mjs'].map((extension) => `perdura.config.${extension}`);

/** The configuration of a file; its `file` is absent where there is none. */
export interface ConfigFile {
  readonly config: PerduraConfig;
  readonly file?: string;
  /** What relative paths in it are relative to. */
  readonly folder: string;
}

/** Throws `Config.Invalid` with file and place. */
export async function readConfigFile(settings: Settings): Promise<ConfigFile> {
  const file = findConfigFile(settings);
  if (file === undefined) return { config: {}, folder: settings.cwd };
  const exported = await runModule(file, settings);
  const result = configSchema.safeParse(exported);
  if (!result.success) {
    const problems = problemsOf(result.error).map(({ path, text }) => ({
      where: path.length === 0 ? file : `${file}: ${pathText(path)}`,
      text,
    }));
    throwProblems('Config.Invalid', problems);
  }
  // The value itself, not zod's copy of it: tools are compared by identity.
  return { config: exported as PerduraConfig, file, folder: dirname(file) };
}

/** Path of the file that would be read; undefined where there is none. */
export function findConfigFile(settings: Pick<Settings, 'cwd' | 'configFile'>): string | undefined {
  const { configFile, cwd } = settings;
  if (configFile !== undefined) {
    if (existsSync(configFile)) return configFile;
    throw invalid(`PERDURA_CONFIG names "${configFile}", which does not exist.`);
  }
  const found = NAMES.map((name) => join(cwd, name)).filter((path) => existsSync(path));
  if (found.length > 1) {
    throw invalid(`Found ${found.join(' and ')}. Keep one, or name one in PERDURA_CONFIG.`);
  }
  return found[0];
}

async function runModule(file: string, settings: Settings): Promise<unknown> {
  // Of this very build, also within this repository and for a command that is installed
  // elsewhere: two copies would make two classes of errors and of tool results.
  const perdura = await import('../index.js');
  const jiti = createJiti(file, {
    virtualModules: { perdura },
    // The default is a folder that all users of the machine share.
    fsCache: join(settings.cacheDir, 'jiti'),
  });
  let module: object;
  try {
    module = await jiti.import<object>(file);
  } catch (error) {
    throw failure(file, error);
  }
  const exported: unknown = 'default' in module ? await module.default : undefined;
  if (typeof exported === 'object' && exported !== null) return exported;
  throw invalid(`${file} has no default export. Write "export default defineConfig({ … })".`);
}

/** A PerduraError (an invalid `tool(…)`) keeps its type and gets the file. */
function failure(file: string, error: unknown): PerduraError {
  const said = error instanceof Error ? error.message : String(error);
  const message = said.replace(/\s+/g, ' ').trim();
  const where = placeIn(error, dirname(file)) ?? file;
  const text = message.includes(where) ? message : `${where}: ${message}`;
  if (error instanceof PerduraError) {
    return new PerduraError(error.type, text, { cause: error });
  }
  const missing = /Cannot find (?:module|package) '([^'.\/][^']*)'/.exec(message)?.[1];
  const remedy = missing === undefined ? '' : ` Install it: npm install ${missing}.`;
  const full = `${text.replace(/\.?$/, '.')}${remedy}`;
  return new PerduraError('Config.Invalid', full, { cause: error });
}

/** First place of the stack within the folder. */
function placeIn(error: unknown, folder: string): string | undefined {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  for (const [, path, line] of stack.matchAll(/(?:file:\/\/)?(\/[^\s():]+):(\d+):\d+/g)) {
    if (path!.startsWith(folder) && !path!.includes('node_modules')) return `${path}:${line}`;
  }
  return undefined;
}

function invalid(message: string): PerduraError {
  return new PerduraError('Config.Invalid', message);
}
