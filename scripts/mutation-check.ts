/**
 * Takes out what protects messages, one thing at a time, and expects the tests to notice:
 *
 *     npm run mutation                 all mutations
 *     npm run mutation -- dedup        those whose name has the word
 */
import { startTestServers } from '../src/testing/test-servers.js';
import { MUTATIONS } from '../test/support/mutations.js';
import { runMutation } from '../test/support/mutation-run.js';

const word = process.argv[2] ?? '';
const chosen = Object.entries(MUTATIONS).filter(([name]) => name.includes(word));
const servers = await startTestServers({
  temporalAddress: process.env.PERDURA_TEST_TEMPORAL_ADDRESS,
});
let survived = 0;
try {
  for (const [name, mutation] of chosen) {
    const { result, by } = await runMutation(mutation, servers);
    if (result === 'survived') survived++;
    console.log(`${result.padEnd(8)}  without ${name}${by ? `: ${by}` : ''}`);
  }
} finally {
  await servers.stop();
}
console.log(`${chosen.length - survived} caught, ${survived} survived`);
process.exit(survived > 0 || chosen.length === 0 ? 1 : 0);
