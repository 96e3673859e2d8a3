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
    revision: 2,
    checksum: '6dfa016d149b623f9f763b22481c7faf303d0525ccddcf2bf448f4e92f38d925',
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
