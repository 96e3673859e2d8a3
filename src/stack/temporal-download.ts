/**
 * Gets the Temporal CLI with the downloader of `@temporalio/testing`, into our cache folder.
 * That downloader has no time limit of its own, so it runs in a process that is ended when
 * nothing arrives; and a failure is remembered, so that only one start in six hours is slow
 * on a machine without internet.
 */
import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { foreignEnvironment } from '../config/environment.js';
import type { Settings } from '../config/environment.js';
import { withLock } from './lock-file.js';

/** Nothing arrived for this long: there is no way out of here. */
const SILENCE_MS = 15_000;
const FAILURE_COUNTS_FOR_MS = 6 * 3_600_000;

/** The path of the executable, or why there is none. */
export type Download = { readonly path: string } | { readonly failure: string };

interface DownloadOptions {
  readonly settings: Pick<Settings, 'cacheDir'>;
  /** Told once, when a download begins. */
  readonly onStart?: () => void;
}

/** Finds the executable in the cache, or downloads it. Never throws for want of internet. */
export async function downloadTemporalCli(options: DownloadOptions): Promise<Download> {
  const folder = join(options.settings.cacheDir, 'temporal-cli');
  await mkdir(folder, { recursive: true });
  return withLock(`${folder}.lock`, async () => {
    const known = (await downloaded(folder)) ?? (await recentFailure(folder));
    if (known) return known;
    options.onStart?.();
    const failure = await download(folder);
    const result = await downloaded(folder);
    if (result) return result;
    const note = { at: Date.now(), failure: failure ?? 'nothing was downloaded' };
    await writeFile(noteFile(folder), JSON.stringify(note));
    return { failure: note.failure };
  });
}

/** What is known without trying: the executable, or a failure of the last six hours. */
export async function knownDownload({
  cacheDir,
}: Pick<Settings, 'cacheDir'>): Promise<Download | undefined> {
  const folder = join(cacheDir, 'temporal-cli');
  return (await downloaded(folder)) ?? (await recentFailure(folder));
}

async function downloaded(folder: string): Promise<Download | undefined> {
  // The name ends with the version of the SDK, which chooses the version of the CLI.
  const names = await readdir(folder).catch(() => []);
  const name = names
    .sort()
    .findLast((each) => /^temporal-sdk-typescript-[\d.]+(\.exe)?$/.test(each));
  return name === undefined ? undefined : { path: join(folder, name) };
}

async function recentFailure(folder: string): Promise<Download | undefined> {
  try {
    const note = JSON.parse(await readFile(noteFile(folder), 'utf8')) as Record<string, unknown>;
    const age = Date.now() - Number(note.at);
    if (!(age >= 0 && age < FAILURE_COUNTS_FOR_MS)) return undefined;
    const minutes = Math.round(age / 60_000);
    return {
      failure: `${String(note.failure)} (${minutes} min ago; remove ${noteFile(folder)} to try again)`,
    };
  } catch {
    return undefined;
  }
}

function noteFile(folder: string): string {
  return join(folder, 'failed.json');
}

/** Undefined when the downloader ended well, else why not. */
async function download(folder: string): Promise<string | undefined> {
  const testing = pathToFileURL(createRequire(import.meta.url).resolve('@temporalio/testing'));
  // It has no way to download without starting: the server that it starts is stopped at once.
  const script = `
    import testing from ${JSON.stringify(testing.href)};
    const environment = await testing.TestWorkflowEnvironment.createLocal({ server: { executable:
      { type: 'cached-download', downloadDir: ${JSON.stringify(folder)}, ttl: '3650 days' } } });
    await environment.teardown();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: foreignEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-8_000);
  });
  let code: number | null | undefined;
  const exit = new Promise<void>((resolve) => {
    child.once('exit', (result) => {
      code = result;
      resolve();
    });
  });
  let size = 0;
  let lastArrival = Date.now();
  while (code === undefined && Date.now() - lastArrival < SILENCE_MS) {
    await Promise.race([sleep(250), exit]);
    const now = await sizeOfPart(folder);
    if (now !== size) {
      size = now;
      lastArrival = Date.now();
    }
  }
  if (code === undefined) {
    child.kill('SIGKILL');
    await exit;
    await removeParts(folder);
    return `nothing arrived for ${SILENCE_MS / 1000} s`;
  }
  if (code === 0) return undefined;
  if (output.includes('error sending request')) return 'temporal.download cannot be reached';
  const reason = /(?:Error|error): (.*)/.exec(output)?.[1] ?? output.trim().split('\n').at(-1);
  return reason?.slice(0, 300) ?? `exit code ${code}`;
}

async function sizeOfPart(folder: string): Promise<number> {
  const parts = (await readdir(folder)).filter((name) => name.endsWith('.downloading'));
  const sizes = parts.map((name) =>
    stat(join(folder, name)).then(
      ({ size }) => size,
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((sum, each) => sum + each, 0);
}

async function removeParts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.endsWith('.downloading')) await rm(join(folder, name), { force: true });
  }
}
