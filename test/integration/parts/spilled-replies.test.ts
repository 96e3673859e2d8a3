/** Askers whose messages wait so long that the queue goes to the store and over several runs. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { buildBundle } from '../../../worker/bundle.js';
import { Harness } from '../../support/harness.js';
import { eventually, runsOf } from '../../support/observe.js';

/** More events than a run may have. */
const MANY = 60;

let h: Harness;
let database: Database;
beforeAll(async () => {
  const path = fileURLToPath(new URL('../../fixtures/loop-workflows.ts', import.meta.url));
  h = await Harness.start({
    workflowBundle: await buildBundle(path),
    settings: { historyLimit: 60 },
    agent: { unread: 'one' },
  });
  database = openDatabase(inject('databaseUrl'), { maxConnections: 1 });
  h.model.reply(/^/, ({ lastUserText }) => `to ${lastUserText.split(' ')[0]}`);
}, 60_000);
afterAll(async () => {
  await database.close();
  await h.stop();
});

it('replyTo: the queue goes to the store and the session to another run → every asker gets its answer', async () => {
  const session = await h.runtime.start({ session: `asked-${randomUUID()}`, message: 'begin' });
  await session.pause();
  const handle = await h.runtime.temporal.workflow.start('askMany', {
    workflowId: `askMany-${randomUUID()}`,
    taskQueue: h.taskQueue,
    args: [h.tenant, session.id, MANY],
  });
  await eventually(async () => {
    const { rows } = await database.pool.query<{ count: string }>(
      'select count(*) from perdura.spills where tenant = $1 and session = $2',
      [session.tenant, session.id],
    );
    return Number(rows[0]!.count) > 0;
  });
  await session.resume();
  expect(await handle.result()).toEqual(Array.from({ length: MANY }, (_, i) => `to ${i}`));
  expect((await runsOf(h, session.workflowId)).length).toBeGreaterThan(1);
  await session.end();
}, 60_000);
