/** A queue that is too long to be carried to the next run goes to the store, and leaves it again. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { Harness } from '../../support/harness.js';
import { eventually, runsOf, userTexts } from '../../support/observe.js';

let h: Harness;
let database: Database;
beforeAll(async () => {
  h = await Harness.start({ settings: { historyLimit: 60 } });
  database = openDatabase(inject('databaseUrl'), { maxConnections: 1 });
  h.model.reply(/^/, 'yes');
});
afterAll(async () => {
  await database.close();
  await h.stop();
});

it('F4 spilled queue: read to its end → every message once and in order, and nothing is left in the store', async () => {
  const session = await h.runtime.start();
  const batches = async () => {
    const { rows } = await database.pool.query<{ count: string }>(
      'select count(*) from perdura.spills where tenant = $1 and session = $2',
      [session.tenant, session.id],
    );
    return Number(rows[0]!.count);
  };
  await session.pause();
  const texts: string[] = [];
  while ((await batches()) === 0) {
    texts.push(`${texts.length} ${'x'.repeat(20_000)}`);
    await session.send(texts.at(-1)!);
  }
  await session.resume();
  const last = await session.ask('last');
  expect(last.text).toBe('yes');
  expect(userTexts(await session.transcript())).toEqual([...texts, 'last']);
  // The run after the one that took them needs them no more.
  const runs = (await runsOf(h, session.workflowId)).length;
  await eventually(async () => {
    await session.ask('more');
    return (await runsOf(h, session.workflowId)).length > runs;
  });
  await eventually(async () => (await batches()) === 0);
  await session.end();
});
