/** Perdura as a plugin of a worker that the application makes with Temporal's own SDK. */
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { perdura, type PerduraPluginOptions } from '../../../worker/plugin.js';
import { Harness } from '../../support/harness.js';

describe('plugin', () => {
  let h: Harness;
  let connection: NativeConnection;
  beforeAll(async () => {
    h = await Harness.start({ start: false });
    connection = await NativeConnection.connect({ address: inject('temporalAddress') });
  });
  afterAll(async () => {
    await connection.close();
    await h.stop();
  });

  const given = (): PerduraPluginOptions => ({
    databaseUrl: inject('databaseUrl'),
    config: {
      agents: [h.agent()],
      tools: [],
      mcp: {},
      providers: {
        default: { api: 'chat', baseUrl: h.model.baseUrl, apiKey: 'x', stallTimeoutMs: 10_000 },
      },
    },
  });
  const create = (options: Partial<WorkerOptions>) =>
    Worker.create({ connection, taskQueue: h.taskQueue, ...options });

  it('plugin: a worker without workflows of its own → runs sessions, and stops in order', async () => {
    const mine = () => 'mine';
    const worker = await create({ plugins: [perdura(given())], activities: { mine } });
    h.model.enqueue('hello');
    await worker.runUntil(async () => {
      const session = await h.runtime.start();
      expect(await session.ask('hi')).toMatchObject({ text: 'hello' });
      await session.end();
    });
    expect(worker.getState()).toBe('STOPPED');
    expect(worker.options.activities.get('mine')).toBe(mine);
  });

  it('plugin: an activity with the name of one of Perdura’s → refused', async () => {
    const activities = { runModel: () => 1 };
    await expect(create({ plugins: [perdura(given())], activities })).rejects.toMatchObject({
      type: 'Config.Invalid',
      message: expect.stringMatching(/^Worker\.create.*"runModel"/),
    });
  });

  it('plugin: for a second worker, or for one without a connection → refused', async () => {
    const plugin = perdura(given());
    const { activities } = await plugin.configureWorker({ connection, taskQueue: 'x' });
    expect(activities).toHaveProperty('callModel');
    await expect(plugin.configureWorker({ connection, taskQueue: 'x' })).rejects.toMatchObject({
      type: 'Config.Invalid',
    });
    await plugin.runWorker({} as Worker, async () => undefined);
    await expect(perdura(given()).configureWorker({ taskQueue: 'x' })).rejects.toMatchObject({
      type: 'Config.Invalid',
    });
  });
});
