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
    checksum: '15074f3aac6a0c2c3241ba473793b7f61bff72c6faa4bbab44ef8d99467613fc',
  },
  open_session: {
    revision: 2,
    checksum: 'e2288713eceb61f7802888332d09a0d2134a0375dce3d0ffe0a4676e5752c528',
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
