import { spawnSync } from 'node:child_process';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRunningStack, takeDevLock } from '../../../src/stack/dev-lock.js';
import type { RunningStack } from '../../../src/stack/dev-lock.js';
import { withLock } from '../../../src/stack/lock-file.js';
import { identify, isRunning } from '../../../src/stack/process-identity.js';
import { temporaryFolder } from './support.js';

/** A pid that was in use a moment ago. */
function deadPid(): number {
  return spawnSync(process.execPath, ['--version']).pid;
}

const STACK: RunningStack = {
  temporalKind: 'java-test-server',
  temporalAddress: '127.0.0.1:7233',
  namespace: 'default',
  databaseUrl: 'postgres://perdura:secret@127.0.0.1:5432/perdura',
};

describe('process identity', () => {
  it('this process → runs', () => {
    expect(isRunning(identify()!)).toBe(true);
  });

  it('a process that ended → none', () => {
    expect(identify(deadPid())).toBeUndefined();
  });

  it('the pid of a running process with another start → not that process', () => {
    expect(isRunning({ pid: process.pid, startedAt: 'earlier' })).toBe(false);
  });
});

describe('lock file', () => {
  it('ten at once → one after the other, nothing left behind', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'lock');
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise(setImmediate);
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 10 }, () => withLock(path, work)));
    expect(most).toBe(1);
    expect(await readdir(folder)).toEqual([]);
  });

  it('work throws → released', async () => {
    const path = join(await temporaryFolder(), 'lock');
    await expect(withLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await withLock(path, () => Promise.resolve('yes'))).toBe('yes');
  });

  it('holder died → taken over, by one of many', async () => {
    const path = join(await temporaryFolder(), 'lock');
    await writeFile(path, JSON.stringify({ pid: deadPid(), startedAt: 'then' }));
    let inside = 0;
    const work = async () => {
      expect(++inside).toBe(1);
      await new Promise(setImmediate);
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 10 }, () => withLock(path, work)));
  });

  it('holder does not let go → an error that names it', async () => {
    const path = join(await temporaryFolder(), 'lock');
    await writeFile(path, JSON.stringify(identify()));
    await expect(withLock(path, () => Promise.resolve(), 100)).rejects.toThrow(
      `Process ${process.pid} has held ${path}`,
    );
  });
});

describe('dev lock', () => {
  it('published → others find everything; the file is ours alone to read', async () => {
    const dataDir = await temporaryFolder();
    const lock = await takeDevLock(dataDir);
    expect(await readRunningStack({ dataDir })).toBeUndefined();
    await lock.publish(STACK);
    expect(await readRunningStack({ dataDir })).toEqual(STACK);
    expect((await stat(join(dataDir, 'dev.json'))).mode & 0o777).toBe(0o600);
    await lock.release();
    expect(await readRunningStack({ dataDir })).toBeUndefined();
  });

  it('taken twice → says who, where, and what to do; no password', async () => {
    const dataDir = await temporaryFolder();
    const lock = await takeDevLock(dataDir);
    await expect(takeDevLock(dataDir)).rejects.toThrow('it is still starting');
    await lock.publish(STACK);
    const error: Error = await takeDevLock(dataDir).then(
      () => new Error('taken twice'),
      (reason: Error) => reason,
    );
    expect(error.message).toContain(`process ${process.pid}`);
    expect(error.message).toContain('Temporal at 127.0.0.1:7233');
    expect(error.message).toContain('perdura chat');
    expect(error.message).not.toContain('secret');
  });

  it('its process died → the file counts for nothing', async () => {
    const dataDir = await temporaryFolder();
    const file = { process: { pid: deadPid(), startedAt: 'then' }, startedAt: '', stack: STACK };
    await writeFile(join(dataDir, 'dev.json'), JSON.stringify(file));
    expect(await readRunningStack({ dataDir })).toBeUndefined();
    await (await takeDevLock(dataDir)).release();
  });
});
