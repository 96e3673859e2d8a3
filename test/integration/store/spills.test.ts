import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { ActivityDeps } from '../../../activities/deps.js';
import { GroupStore } from '../../../src/store/group-store.js';
import { recordState } from '../../../activities/session/session-writes.js';
import type { InboxMessage } from '../../../src/contracts/message.js';
import { SpillStore } from '../../../src/store/blob-stores.js';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { migrate } from '../../../src/store/migrate.js';
import { StoredSession } from '../../support/store.js';

let database: Database;
let spills: SpillStore;
beforeAll(async () => {
  const url = inject('databaseUrl');
  await migrate(url);
  database = openDatabase(url);
  spills = new SpillStore(database);
});
afterAll(() => database.close());

const owner = { tenant: 'spills', session: 's' };
const batch = (count: number): InboxMessage[] =>
  Array.from({ length: count }, (_, i) => ({ id: `m${i}`, text: `text ${i} 😀` }));

it('F4 spill: a task run again with more, while the first still writes → each id holds what it was given for', async () => {
  const before = batch(3);
  const after = batch(4);
  const ids = await Promise.all([
    spills.put(owner, before),
    spills.put(owner, after),
    spills.put(owner, before),
    spills.put(owner, after),
    // Comes last: an attempt that nobody waits for any more.
    spills.put(owner, before),
  ]);
  expect(ids[2]).toBe(ids[0]);
  expect(ids[4]).toBe(ids[0]);
  expect(ids[3]).toBe(ids[1]);
  expect(ids[1]).not.toBe(ids[0]);
  expect(await spills.get(owner, ids[0])).toEqual(before);
  expect(await spills.get(owner, ids[1])).toEqual(after);
});

it('spill: the same messages in two sessions → neither reads the other', async () => {
  const other = { tenant: 'spills', session: 'other' };
  const id = await spills.put(other, batch(1));
  await expect(spills.get({ tenant: 'spills', session: 'third' }, id)).rejects.toThrow();
  expect(await spills.get(other, id)).toEqual(batch(1));
});

it('spill: the next run needs some of them → the others are deleted, those of other sessions stay', async () => {
  const session = { tenant: 'spills', session: 'runs' };
  const other = { tenant: 'spills', session: 'runs-too' };
  const [taken, waiting, elsewhere] = await Promise.all([
    spills.put(session, batch(2)),
    spills.put(session, batch(3)),
    spills.put(other, batch(2)),
  ]);
  await spills.keepOnly(session, [waiting]);
  // Also when it is said again: the activity is retried.
  await spills.keepOnly(session, [waiting]);
  await expect(spills.get(session, taken)).rejects.toMatchObject({ type: 'Store.Fenced' });
  expect(await spills.get(session, waiting)).toEqual(batch(3));
  expect(await spills.get(other, elsewhere)).toEqual(batch(2));
});

it('spill: the activity that ends the session is retried after it deleted the batch → it answers the same, the messages are in once', async () => {
  const stored = await StoredSession.open(database, 'default');
  const id = await spills.put(stored.key, batch(3));
  const environment = new MockActivityEnvironment({
    workflowExecution: { workflowId: `perdura.default.${stored.id}`, runId: 'run' },
  });
  const groups = new GroupStore(database);
  const deps = { transcripts: stored.store, spills, groups } as unknown as ActivityDeps;
  const end = () =>
    environment.run(() =>
      recordState(deps, {
        run: { tenant: 'default', id: stored.id },
        key: 'end',
        state: 'terminated',
        turn: 0,
        place: { stage: 1, head: 0 },
        inbox: [{ spill: id, count: 3 }],
      }),
    );
  expect(await end()).toEqual({ head: 3 });
  await expect(spills.get(stored.key, id)).rejects.toMatchObject({ type: 'Store.Fenced' });
  expect(await end()).toEqual({ head: 3 });
  expect(await stored.store.read('default', stored.id)).toHaveLength(3);
});
