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
    checksum: '455b15113d019261fa6260b23ab09c3746f3eeb6a19c912cacb98b371169c806',
  },
  open_session: {
    revision: 2,
    checksum: '7693582c0951928afc38c284be1903bccc6e27c21cf8184e972bf518d607049b',
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
