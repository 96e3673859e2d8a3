import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readSettings } from '../../../src/config/environment.js';
import { startDevStack } from '../../../src/stack/dev.js';
import type { DevOptions, DevStack } from '../../../src/stack/dev.js';
import { readRunningStack } from '../../../src/stack/dev-lock.js';
import { eventually, fixture, isAlive, temporaryFolder } from './support.js';

async function start(options: Partial<DevOptions> & { dataDir: string }): Promise<DevStack> {
  const settings = readSettings({
    PATH: process.env.PATH,
    PERDURA_DATA_DIR: options.dataDir,
    PERDURA_TEMPORAL: 'java-test-server',
  });
  const stack = await startDevStack({
    settings: { ...settings, cacheDir: readSettings().cacheDir },
    modules: { worker: fixture('worker.mjs'), offlineModel: fixture('offline-model.mjs') },
    ...options,
  });
  onTestFinished(stack.stop);
  return stack;
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT count(*) FROM perdura.kysely_migration');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

describe('dev stack', { timeout: 120_000 }, () => {
  it('start → migrated database, workers told where everything is; stop → nothing is left', async () => {
    const dataDir = await temporaryFolder();
    const lines: string[] = [];
    const stack = await start({
      dataDir,
      workers: 2,
      onLine: (part, line) => lines.push(`${part} ${line}`),
    });
    expect(await answers(stack.databaseUrl)).toBe(true);
    for (const part of ['worker-1', 'worker-2']) {
      const said = JSON.stringify({
        TEMPORAL_ADDRESS: stack.temporalAddress,
        DATABASE_URL: stack.databaseUrl,
        OPENAI_BASE_URL: stack.modelBaseUrl,
      });
      expect(lines).toContain(`${part} worker ${said}`);
    }
    expect(stack.settings).toMatchObject({
      temporalAddress: stack.temporalAddress,
      databaseUrl: stack.databaseUrl,
      openai: { baseUrl: stack.modelBaseUrl },
    });
    expect((await stat(join(dataDir, 'dev.json'))).mode & 0o777).toBe(0o600);

    const pids = [...stack.workers, stack.offlineModel!].map(({ pid }) => pid!);
    await stack.stop();
    expect(pids.filter(isAlive)).toEqual([]);
    expect(await answers(stack.databaseUrl)).toBe(false);
    expect(await readRunningStack({ dataDir })).toBeUndefined();
  });

  it('a second start in the folder → says that one runs, and where', async () => {
    const dataDir = await temporaryFolder();
    const stack = await start({ dataDir, workers: 0 });
    expect(stack.worker).toBeUndefined();
    await expect(start({ dataDir })).rejects.toMatchObject({
      type: 'Stack.Unavailable',
      message: expect.stringContaining(`Temporal at ${stack.temporalAddress}`) as string,
    });
    expect(await readRunningStack({ dataDir })).toMatchObject({
      temporalKind: 'java-test-server',
      temporalAddress: stack.temporalAddress,
      databaseUrl: stack.databaseUrl,
    });
  });

  it('the worker cannot start → its words, everything stopped, folder free', async () => {
    const dataDir = await temporaryFolder();
    const modules = { worker: fixture('failing.mjs'), offlineModel: fixture('offline-model.mjs') };
    await expect(start({ dataDir, modules })).rejects.toThrow('no such agent');
    const stack = await start({ dataDir });
    expect(stack.worker?.isReady).toBe(true);
  });

  it('worker, offline model and PostgreSQL killed with -9 → all come back where they were', async () => {
    const dataDir = await temporaryFolder();
    const stack = await start({ dataDir });
    const worker = stack.worker!.pid!;
    const model = stack.offlineModel!.pid!;
    const { modelBaseUrl } = stack;
    stack.worker!.kill();
    process.kill(model, 'SIGKILL');
    stack.database.kill();
    await eventually('a new worker', () => stack.worker!.isReady && stack.worker!.pid !== worker);
    await eventually('a new model', () => ![undefined, model].includes(stack.offlineModel!.pid));
    await eventually('PostgreSQL', () => answers(stack.databaseUrl));
    expect(stack.worker!.restarts).toBeGreaterThanOrEqual(1);
    expect(stack.offlineModel!.baseUrl).toBe(modelBaseUrl);
  });
});
