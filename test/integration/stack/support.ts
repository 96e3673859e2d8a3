/** Helpers of these tests: folders that root's PostgreSQL can enter, and parents to kill. */
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { identify } from '../../../src/stack/process-identity.js';

const FIXTURES = join(dirname(fileURLToPath(import.meta.url)), 'fixtures');

export function fixture(name: string): string {
  return join(FIXTURES, name);
}

/** A folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'perdura-stack-'));
  await chmod(folder, 0o711);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Polls until `condition` holds; fails with `what` after `timeoutMs`. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

export function isAlive(pid: number): boolean {
  return identify(pid) !== undefined;
}

/** A process apart that holds something (see fixtures/hold.ts), and can be killed. */
export async function holder(...args: string[]): Promise<{
  readonly held: { readonly pid: number; readonly url?: string; readonly address?: string };
  kill(): Promise<void>;
}> {
  const child = spawn(process.execPath, ['--import', 'tsx', fixture('hold.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = async () => {
    child.kill('SIGKILL');
    await gone;
  };
  onTestFinished(kill);
  for await (const line of createInterface({ input: child.stdout })) {
    return { held: JSON.parse(line) as { pid: number }, kill };
  }
  throw new Error(`hold.ts ${args.join(' ')} ended without a word`);
}
