/**
 * Finds Java, Maven and a Java compiler on this machine, and says how to get what is missing.
 */
import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { foreignEnvironment } from '../config/environment.js';
import { PerduraError } from '../contracts/failures.js';

const execute = promisify(execFile);

/** Oldest Java that runs Temporal's test server with the class of ours. */
export const OLDEST_JAVA = 11;

/** Paths of the executables. */
export interface JavaTools {
  readonly java: string;
  readonly javaVersion: number;
  readonly maven?: string;
  /** A JRE has none: the compiler is fetched by Maven then. */
  readonly javac?: string;
}

/** Full path of `name` in the first of `folders` that has it and lets us run it. */
export async function findExecutable(
  name: string,
  folders: readonly string[],
): Promise<string | undefined> {
  const names = process.platform === 'win32' ? [`${name}.exe`, `${name}.cmd`] : [name];
  for (const folder of folders) {
    for (const candidate of names) {
      const path = join(folder, candidate);
      const found = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (found) return path;
    }
  }
  return undefined;
}

/** Throws `Stack.Unavailable` with a way to get Java when there is none, or an old one. */
export async function findJavaTools(searchPath: readonly string[]): Promise<JavaTools> {
  const env = foreignEnvironment();
  const folders = env.JAVA_HOME ? [join(env.JAVA_HOME, 'bin'), ...searchPath] : searchPath;
  const java = await findExecutable('java', folders);
  if (!java) throw missing(`no \`java\` is on the PATH`);
  const javaVersion = await versionOf(java);
  if (javaVersion < OLDEST_JAVA) throw missing(`${java} is Java ${javaVersion}`);
  const [maven, javac] = await Promise.all([
    findExecutable('mvn', searchPath),
    findExecutable('javac', folders),
  ]);
  return { java, javaVersion, ...(maven && { maven }), ...(javac && { javac }) };
}

/** `java -version` prints `openjdk version "17.0.15" …` or, up to 8, `"1.8.0_402"`. */
async function versionOf(java: string): Promise<number> {
  try {
    const { stderr, stdout } = await execute(java, ['-version'], { env: foreignEnvironment() });
    const match = /version "(?:1\.)?(\d+)/.exec(`${stderr}${stdout}`);
    return Number(match?.[1] ?? 0);
  } catch (error) {
    // macOS has a stub that only says where Java can be had.
    throw missing(`${java} does not run`, error);
  }
}

function missing(what: string, cause?: unknown): PerduraError {
  return new PerduraError(
    'Stack.Unavailable',
    `Temporal's test server needs Java ${OLDEST_JAVA} or later, and ${what}. ` +
      `Install it (Debian: apt install openjdk-17-jre-headless maven; macOS: brew install maven; ` +
      `or https://adoptium.net), or install the Temporal CLI (https://docs.temporal.io/cli), or ` +
      `set TEMPORAL_ADDRESS to a server.`,
    { cause },
  );
}

export function missingMaven(): PerduraError {
  return new PerduraError(
    'Stack.Unavailable',
    `Temporal's test server is fetched with Maven, and no \`mvn\` is on the PATH. Install it ` +
      `(Debian: apt install maven; macOS: brew install maven), or install the Temporal CLI ` +
      `(https://docs.temporal.io/cli), or set TEMPORAL_ADDRESS to a server.`,
  );
}
