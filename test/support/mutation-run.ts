/**
 * Runs one mutation: a copy of the sources with the replacement, a fresh database, the tests
 * that should notice. The copy shares node_modules and the servers of this run. What was replaced
 * must be what ran: mutation-live.ts.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freshDatabase } from './databases.js';
import { watchMutant } from './mutation-live.js';
import type { Mutation } from './mutations.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const COPIED = [
  ...['src', 'workflows', 'activities', 'worker', 'test/support', 'test/integration'],
  ...['package.json', 'tsconfig.json', 'vitest.config.ts'],
];
/** A test that waits for what never comes is a test that noticed, ms. */
const TEST_TIMEOUT = 20_000;

export interface Servers {
  readonly temporalAddress: string;
  /** Its user may create databases: a mutated schema needs one of its own. */
  readonly databaseUrl: string;
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly failureMessages: readonly string[] }[];
  }[];
}

/**
 * `caught`: a test failed. `survived`: all passed. Throws when no test ran, when the place has
 * moved, and when what was replaced is not what ran: such a mutation says nothing.
 */
export async function runMutation(
  { file, needle, replacement, caughtBy }: Mutation,
  servers: Servers,
): Promise<{ result: 'caught' | 'survived'; by: string }> {
  const source = await readFile(join(ROOT, file), 'utf8');
  const places = source.split(needle).length - 1;
  if (places !== 1) throw new Error(`"${needle}" is ${places} times in ${file}, not once.`);
  const copy = await mkdtemp(join(tmpdir(), 'perdura-mutation-'));
  const database = await freshDatabase(servers.databaseUrl);
  try {
    for (const path of COPIED) {
      await cp(join(ROOT, path), join(copy, path), { recursive: true });
    }
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    await writeFile(
      join(copy, file),
      source.replace(needle, () => replacement),
    );
    const assertLive = await watchMutant(copy, file, replacement);
    const report = await runTests(copy, caughtBy, { ...servers, databaseUrl: database.url });
    const said = report.testResults.flatMap(({ message, assertionResults }) => [
      ...(message ? [message] : []),
      ...assertionResults.flatMap(({ failureMessages }) => failureMessages),
    ]);
    if (report.numFailedTests + report.numPassedTests === 0) {
      throw new Error(
        `No test of ${caughtBy.file} has "${caughtBy.title}" in its title. ${said.join('\n')}`,
      );
    }
    await assertLive(database.url);
    // A copy has no `dist`: a test that starts a process of it fails without looking.
    if (said.some((line) => line.includes('compile first'))) {
      throw new Error(`A test of ${caughtBy.file} needs compiled code, which a mutation has not.`);
    }
    const result = report.numFailedTests > 0 ? 'caught' : 'survived';
    return { result, by: said[0]?.split('\n')[0] ?? '' };
  } finally {
    await rm(copy, { recursive: true, force: true });
    await database.drop();
  }
}

async function runTests(
  copy: string,
  { file, title }: Mutation['caughtBy'],
  servers: Servers,
): Promise<Report> {
  const output = join(copy, 'report.json');
  const pattern = title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const args = ['run', file, '-t', pattern, `--testTimeout=${TEST_TIMEOUT}`];
  const vitest = join(copy, 'node_modules/vitest/vitest.mjs');
  const log = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      [vitest, ...args, '--reporter=json', `--outputFile=${output}`],
      {
        cwd: copy,
        maxBuffer: 64 * 1024 * 1024,
        env: {
          ...withoutVitest(process.env),
          PERDURA_TEST_TEMPORAL_ADDRESS: servers.temporalAddress,
          PERDURA_TEST_DATABASE_URL: servers.databaseUrl,
        },
      },
      (_error, stdout, stderr) => resolve(stdout + stderr),
    );
  });
  const report = await readFile(output, 'utf8').catch(() => {
    throw new Error(`vitest wrote no report: ${log.slice(-2_000)}`);
  });
  return JSON.parse(report) as Report;
}

/** The variables of the vitest that runs this would confuse the one inside. */
function withoutVitest(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^(VITEST|TEST|NODE_ENV)/.test(name)),
  );
}
