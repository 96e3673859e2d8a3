/**
 * A process that is started again in a rolling deploy tells an older function from a newer one by its
 * revision: a text that changes under the same number would be refused, or taken for current.
 */
import { expect, it } from 'vitest';
import { sqlFunctions } from '../../../src/store/sql-functions.js';

/** SHA-256 of each text. A change of a file: raise its revision, and put both here. */
const CURRENT: Record<string, { revision: number; checksum: string }> = {
  append: {
    revision: 3,
    checksum: 'a36c775e0afccd8d012db123c2b6e24a2f5e8879cf8ff76abb9d6a0c4488b994',
  },
  open_session: {
    revision: 2,
    checksum: '09e308d93de3ff212ed2f0e146017dcb38f2f02956987923765e7437f17e8fa2',
  },
  remember: {
    revision: 1,
    checksum: 'a5c2417a5b315b21704184e1d486774baf6998015e2d38b5df2cf15b031cbc10',
  },
  erase_session: {
    revision: 2,
    checksum: '872c398bb96410f65515c3af5ee0e6b5dd897f54d7fa6517f9ab6e08340598fd',
  },
};

it('SQL functions: a text changed → its revision is raised with it', () => {
  const installed = sqlFunctions().map(({ name, revision, checksum }) => [
    name,
    { revision, checksum },
  ]);
  expect(Object.fromEntries(installed)).toEqual(CURRENT);
});

it('SQL functions: each file → defines the function that it is named after', () => {
  for (const { name, text } of sqlFunctions()) {
    expect(text).toContain(`create or replace function perdura.${name}(p jsonb)`);
  }
});
