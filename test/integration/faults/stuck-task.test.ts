import { fileURLToPath } from 'node:url';
import { NativeConnection } from '@temporalio/worker';
import { expect, inject, it } from 'vitest';
import { buildBundle } from '../../../worker/bundle.js';
import { createWorker } from '../../../worker/create-worker.js';
import { CACHED_WORKFLOWS } from '../../support/cached-workflows.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';

it('F29 workflow task: fails at each replay → visible by health(), others go on, and mended code goes on where it was', async () => {
  const path = fileURLToPath(new URL('../../fixtures/stuck-workflows.ts', import.meta.url));
  const bad = await Harness.start({ workflowBundle: await buildBundle(path) });
  bad.model.reply(/^/, (request) => `re: ${request.lastUserText}`);
  const stuck = await bad.runtime.start({ session: 'stuck' });
  const other = await bad.runtime.start({ session: 'other' });
  expect((await other.ask('one')).text).toBe('re: one');
  const health = await eventually(async () => {
    const now = await stuck.health();
    return now.stuck && now;
  }, 45_000);
  expect(health.workflowTaskAttempt).toBeGreaterThan(3);
  expect((await other.ask('two')).text).toBe('re: two');
  expect(await other.health()).toMatchObject({ stuck: false });
  await bad.stopWorker();
  const connection = await NativeConnection.connect({ address: inject('temporalAddress') });
  const provider = {
    api: 'chat',
    baseUrl: bad.model.baseUrl,
    apiKey: 'test',
    stallTimeoutMs: 10_000,
  };
  const mended = await createWorker({
    config: {
      agents: [bad.agent()],
      tools: [],
      mcp: {},
      providers: { default: provider },
    } as never,
    connection,
    taskQueue: bad.taskQueue,
    databaseUrl: inject('databaseUrl'),
    workflowBundle: await buildBundle(),
    worker: CACHED_WORKFLOWS,
  });
  await mended.runUntil(
    (async () => {
      // Temporal refuses updates until the task has been tried again.
      await eventually(
        () =>
          stuck.send({ id: 'three', text: 'three' }).catch((error: { type: string }) => {
            expect(error.type).toBe('Session.Stuck');
            return undefined;
          }),
        60_000,
      );
      expect((await stuck.answerTo('three')).text).toBe('re: three');
      expect((await other.ask('four')).text).toBe('re: four');
    })(),
  );
  await connection.close();
  expect(await stuck.health()).toMatchObject({ stuck: false });
  await bad.stop();
}, 150_000);
