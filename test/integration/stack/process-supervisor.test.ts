import { describe, expect, it, onTestFinished } from 'vitest';
import { supervise } from '../../../src/stack/process-supervisor.js';
import type {
  SupervisedOptions,
  SupervisedProcess,
} from '../../../src/stack/process-supervisor.js';
import { eventually, fixture, holder, isAlive } from './support.js';

async function start(options: Partial<SupervisedOptions> = {}): Promise<SupervisedProcess> {
  const child = await supervise({ name: 'worker', module: fixture('worker.mjs'), ...options });
  onTestFinished(() => child.stop());
  return child;
}

describe('process supervisor', { timeout: 30_000 }, () => {
  it('child killed with -9 → another one, ready; counted', async () => {
    const child = await start();
    const first = child.pid!;
    child.kill('SIGKILL');
    await eventually('it is ready again', () => child.isReady && child.pid !== first);
    expect(child.restarts).toBe(1);
    expect(isAlive(first)).toBe(false);
  });

  it('stop → SIGTERM, gone, not started again', async () => {
    const child = await start();
    const pid = child.pid!;
    await child.stop();
    expect(isAlive(pid)).toBe(false);
    expect(child.pid).toBeUndefined();
    expect(child.restarts).toBe(0);
  });

  it('child ignores SIGTERM → SIGKILL after the grace time', async () => {
    const child = await start({ module: fixture('stubborn.mjs'), graceMs: 200 });
    const pid = child.pid!;
    await child.stop();
    expect(isAlive(pid)).toBe(false);
  });

  it('stop between two lives → no other life', async () => {
    const child = await start();
    child.kill('SIGKILL');
    await eventually('it is gone', () => child.pid === undefined);
    await child.stop();
    expect(child.pid).toBeUndefined();
  });

  it('child cannot start → rejects with what it said, and does not try again', async () => {
    await expect(start({ module: fixture('failing.mjs') })).rejects.toMatchObject({
      type: 'Stack.Unavailable',
      message: expect.stringMatching(
        /worker .*failing\.mjs.* ended before it was ready \(exit code 2\):\nperdura\.config\.ts:3/,
      ) as string,
    });
  });

  it('child never says that it is ready → rejects after the time limit, child gone', async () => {
    const lines: string[] = [];
    const starting = start({
      module: fixture('offline-model.mjs'),
      readyTimeoutMs: 500,
      onLine: (line) => lines.push(line),
    });
    await expect(starting).rejects.toThrow('was not ready after 0.5 s');
  });

  it('environment → asked for at each start', async () => {
    const lines: string[] = [];
    let life = 0;
    const child = await start({
      environment: () => ({ TEMPORAL_ADDRESS: `life-${++life}` }),
      onLine: (line) => lines.push(line),
    });
    child.kill('SIGKILL');
    await eventually('the second life spoke', () => lines.some((line) => line.includes('life-2')));
    expect(lines.some((line) => line.includes('life-1'))).toBe(true);
  });

  it('our process died of -9 → the child ends by itself', async () => {
    const { held, kill } = await holder('child', fixture('worker.mjs'));
    await kill();
    await eventually('the child is gone', () => !isAlive(held.pid));
  });
});
