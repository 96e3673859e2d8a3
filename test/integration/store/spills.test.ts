import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { InboxMessage } from '../../../src/contracts/message.js';
import { SpillStore } from '../../../src/store/blob-stores.js';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { migrate } from '../../../src/store/migrate.js';

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
