/** The tests are honest: with what protects messages taken out, they fail. */
import { describe, expect, inject, it } from 'vitest';
import { runMutation } from '../../support/mutation-run.js';
import { MUTATIONS } from '../../support/mutations.js';

const chosen = Object.entries(MUTATIONS).filter(([, { quick }]) => quick);

describe('mutation check', () => {
  it.each(chosen)(
    'mutation: without %s → its test fails',
    { timeout: 120_000 },
    async (_, mutation) => {
      const servers = {
        temporalAddress: inject('temporalAddress'),
        databaseUrl: inject('databaseUrl'),
      };
      expect(await runMutation(mutation, servers)).toMatchObject({ result: 'caught' });
    },
  );
});
