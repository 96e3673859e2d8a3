/** The tests are honest: with what protects messages taken out, they fail. */
import { describe, expect, inject, it } from 'vitest';
import { runMutation } from '../../support/mutation-run.js';
import { MUTATIONS } from '../../support/mutations.js';

const chosen = Object.entries(MUTATIONS).filter(([, { quick }]) => quick);

const servers = {
  temporalAddress: inject('temporalAddress'),
  databaseUrl: inject('databaseUrl'),
};

/** The fence of runs as the first migration had it, before it moved. */
const REPLACED = {
  ...MUTATIONS['the fence of runs']!,
  file: 'src/store/migrations/0001-sessions.ts',
};

describe('mutation check', () => {
  it.each(chosen)(
    'mutation: without %s → its test fails',
    { timeout: 120_000 },
    async (_, mutation) => {
      expect(await runMutation(mutation, servers)).toMatchObject({ result: 'caught' });
    },
  );

  it('mutation: of code that another has replaced → an error, because it says nothing', async () => {
    await expect(runMutation(REPLACED, servers)).rejects.toThrow(/is not what ran/);
  }, 120_000);
});
