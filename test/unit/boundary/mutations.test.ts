/** Mutations that are not run with every `npm test` still know where their code is. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MUTATIONS } from '../../support/mutations.js';

describe('mutations', () => {
  it.each(Object.entries(MUTATIONS))(
    'mutations: without %s → its place is in the code once, and its test exists',
    (_, { file, needle, caughtBy }) => {
      expect(readFileSync(file, 'utf8').split(needle)).toHaveLength(2);
      expect(readFileSync(caughtBy.file, 'utf8')).toContain(caughtBy.title);
    },
  );
});
