/**
 * A lock between processes: a file that exists while its holder runs. A holder that died
 * leaves a file that the next one recognises and takes over.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PerduraError } from '../contracts/failures.js';
import { identify, isRunning } from './process-identity.js';
import type { ProcessIdentity } from './process-identity.js';

/** Runs `work` while no other process (nor other caller here) does so under the same `path`. */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  timeoutMs = 180_000,
): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (await take(path)) break;
    const holder = await holderOf(path);
    if (Date.now() > deadline) {
      throw new PerduraError(
        'Stack.Unavailable',
        `Process ${holder?.pid ?? 'unknown'} has held ${path} for ${timeoutMs / 1000} s. ` +
          `Wait until it ends, or end it, and start again.`,
        { saysRemedy: true },
      );
    }
    await sleep(50);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  // Written aside and linked into place: no reader sees half a lock.
  const own = `${path}.${randomUUID()}`;
  const file = await open(own, 'wx', 0o600);
  try {
    await file.writeFile(JSON.stringify(identify()));
    await file.close();
    await link(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await dropIfStale(path);
    return false;
  } finally {
    await rm(own, { force: true });
  }
}

async function dropIfStale(path: string): Promise<void> {
  const holder = await holderOf(path);
  if (!holder || isRunning(holder)) return;
  // Two may come here at once. The second would move away the fresh lock of the first, so it
  // looks at what it moved, and puts a lock that is held back in place.
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await holderOf(aside);
  if (moved && isRunning(moved)) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

async function holderOf(path: string): Promise<ProcessIdentity | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ProcessIdentity;
  } catch {
    return undefined;
  }
}
