/**
 * Puts Temporal's Java test server into the cache folder: its jars by Maven (which verifies
 * their checksums), our launcher compiled beside them, and a wrapper script. Everything is
 * made aside and renamed, so that a folder that exists is complete.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { foreignEnvironment } from '../config/environment.js';
import type { Settings } from '../config/environment.js';
import { PerduraError } from '../contracts/failures.js';
import { LAUNCHER_CLASS, LAUNCHER_SOURCE } from './java-test-server-launcher.js';
import { findJavaTools, missingMaven } from './java-tools.js';
import { withLock } from './lock-file.js';

const execute = promisify(execFile);

export const TEST_SERVER_VERSION = '1.38.0';
/** Eclipse's compiler, in its last version that runs on Java 11: for machines with a JRE only. */
const COMPILER = { group: 'org.eclipse.jdt', artifact: 'ecj', version: '3.32.0' };

/**
 * Flags of the JVM. The server keeps all histories in memory, hence 1 GB at most; one
 * collector thread and the quick compiler, because it shares the machine with everything else.
 */
const JVM_FLAGS = ['-Xms64m', '-Xmx1g', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

/** How to run what is installed. */
export interface InstalledTestServer {
  readonly java: string;
  /** Everything before `<port> [--enable-time-skipping]`. */
  readonly javaArgs: readonly string[];
  /** A shell script that takes the same arguments (not on Windows). */
  readonly wrapper: string;
}

type Places = Pick<Settings, 'cacheDir' | 'searchPath'>;

/** Whether the jars are in the cache already, so that neither Maven nor the internet is needed. */
export async function isTestServerInstalled(settings: Places): Promise<boolean> {
  return exists(folderOf(settings));
}

/** Installs it unless it is there. May take a minute on the first run (20 MB from Maven Central). */
export async function installTestServer(settings: Places): Promise<InstalledTestServer> {
  const { java } = await findJavaTools(settings.searchPath);
  const folder = folderOf(settings);
  if (!(await exists(folder))) {
    await withLock(`${folder}.lock`, async () => {
      if (!(await exists(folder))) await install(folder, settings);
    });
  }
  const separator = process.platform === 'win32' ? ';' : ':';
  const classPath = [join(folder, 'classes'), join(folder, 'lib', '*')].join(separator);
  const javaArgs = [...JVM_FLAGS, '-cp', classPath, LAUNCHER_CLASS];
  const wrapper = join(folder, 'run.sh');
  await writeWrapper(wrapper, [java, ...javaArgs]);
  return { java, javaArgs, wrapper };
}

async function install(folder: string, settings: Places): Promise<void> {
  const tools = await findJavaTools(settings.searchPath);
  if (!tools.maven) throw missingMaven();
  const work = await mkdtemp(`${folder}.new-`);
  try {
    const lib = join(work, 'lib');
    await fetchJars(tools.maven, work, lib, {
      group: 'io.temporal',
      artifact: 'temporal-test-server',
      version: TEST_SERVER_VERSION,
    });
    const source = join(work, `${LAUNCHER_CLASS}.java`);
    await writeFile(source, LAUNCHER_SOURCE);
    const jars = (await readdir(lib)).map((name) => join(lib, name));
    const separator = process.platform === 'win32' ? ';' : ':';
    const target = ['-cp', jars.join(separator), '-d', join(work, 'classes'), source];
    if (tools.javac) {
      await run(tools.javac, ['--release', '11', ...target], work);
    } else {
      const compiler = join(work, 'compiler');
      await fetchJars(tools.maven, work, compiler, COMPILER);
      const jar = join(compiler, `${COMPILER.artifact}-${COMPILER.version}.jar`);
      await run(tools.java, ['-jar', jar, '-11', '-nowarn', ...target], work);
      await rm(compiler, { recursive: true });
    }
    await rename(work, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface Artifact {
  readonly group: string;
  readonly artifact: string;
  readonly version: string;
}

/** Copies `wanted` and what it needs at run time to `target`. */
async function fetchJars(maven: string, work: string, target: string, wanted: Artifact) {
  const pom = join(work, `${wanted.artifact}.xml`);
  await writeFile(
    pom,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>perdura</groupId><artifactId>fetch</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>${wanted.group}</groupId>
<artifactId>${wanted.artifact}</artifactId><version>${wanted.version}</version></dependency></dependencies>
</project>
`,
  );
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${target}`];
  await run(maven, ['-q', '-B', '-f', pom, ...goal, '-DincludeScope=runtime'], work);
}

async function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  const options = { cwd, env: foreignEnvironment(), timeout: 170_000, maxBuffer: 1 << 24 };
  try {
    await execute(command, args, options);
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    const reason = `${stdout}${stderr}`.trim().split('\n').slice(0, 6).join('\n');
    throw new PerduraError(
      'Stack.Unavailable',
      `Installing Temporal's test server failed in \`${command}\`:\n${reason || String(error)}\n` +
        `Check that Maven reaches a repository (\`mvn dependency:get ` +
        `-Dartifact=io.temporal:temporal-test-server:${TEST_SERVER_VERSION}\`), or install the ` +
        `Temporal CLI (https://docs.temporal.io/cli), or set TEMPORAL_ADDRESS.`,
      { cause: error },
    );
  }
}

/** Written each time: Java may have moved since. Renamed into place: others may be running it. */
async function writeWrapper(path: string, command: readonly string[]): Promise<void> {
  const words = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const aside = `${path}.${process.pid}`;
  await writeFile(aside, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  await rename(aside, path);
}

/** The name holds a digest of our class, so that a change of it is never served stale. */
function folderOf({ cacheDir }: Places): string {
  const digest = createHash('sha256').update(LAUNCHER_SOURCE).digest('hex').slice(0, 8);
  return join(cacheDir, `temporal-test-server-${TEST_SERVER_VERSION}-${digest}`);
}

async function exists(path: string): Promise<boolean> {
  if (
    await access(path).then(
      () => true,
      () => false,
    )
  )
    return true;
  await mkdir(join(path, '..'), { recursive: true });
  return false;
}
