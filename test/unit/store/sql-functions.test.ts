/**
 * A process that is started again in a rolling deploy tells an older function from a newer one by its
 * revision: a text that changes under the same number would be refused, or taken for current.
 */
import { expect, it } from 'vitest';
import { sqlFunctions } from '../../../src/store/sql-functions.js';

/** SHA-256 of each text. A change of a file: raise its revision, and put both here. */
const CURRENT: Record<string, { revision: number; checksum: string }> = {
  append: {
    revision: 2,
    checksum: '3bbeeaf62cb196c79167a3d5ef851ba994fa500ab676a1b694d733e84b49787a',
  },
  open_session: {
    revision: 1,
    checksum: 'f1e241cce34fa3ff01014349472c8b25281b5395449bb9496d49c3956f9f50dc',
  },
  remember: {
    revision: 1,
    checksum: 'a5c2417a5b315b21704184e1d486774baf6998015e2d38b5df2cf15b031cbc10',
  },
  erase_session: {
    revision: 1,
    checksum: '856de31f2a3652b922970963da242450c2ab545fefed89c03d0e732a622b4144',
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
