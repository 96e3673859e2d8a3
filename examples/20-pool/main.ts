/**
 * 20 · A pool. A model that takes two calls at a time, and two tenants: one sends eight messages before the
 * other sends two. Nobody is turned away; who waits sees its place and why; each tenant gets its share.
 *
 *     npm run example 20
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { startTestStack } from 'perdura/testing';
import { findServers } from '../support.js';

// Pools span tenants, so a name of its own keeps this run apart from another on the same servers.
const name = `pool-${process.pid}`;
const stack = await startTestStack({
  ...(await findServers()),
  config: {
    agents: [{ name: 'assistant', instructions: 'Answer.', pool: name }],
    // Held at first, so that all are in line before the first one begins.
    pools: { [name]: { maxAtWork: 0 } },
  },
});

// The model counts how many are at work, and who was served in which order.
let atWork = 0;
let most = 0;
const served: string[] = [];
stack.model.reply(/./, async ({ lastUserText }) => {
  served.push(lastUserText.split(' ')[0]!);
  most = Math.max(most, (atWork += 1));
  await sleep(30);
  atWork -= 1;
  return `Done: ${lastUserText}`;
});

const small = stack.runtime.forTenant(`${stack.tenant}-small`);
const pool = stack.runtime.pool(name);
const sessions = [];
for (let i = 1; i <= 8; i++) sessions.push(await stack.runtime.start({ message: `large ${i}` }));
for (let i = 1; i <= 2; i++) sessions.push(await small.start({ message: `small ${i}` }));

// Each says where it stands. Waiting costs nothing: a row, and a workflow without a timer.
for (const session of sessions) {
  for await (const item of session.events()) {
    if (item.type !== 'pool.waiting') continue;
    console.log(
      `${session.tenant === small.tenant ? 'small' : 'large'}: place ${item.position}, ${item.reason}`,
    );
    break;
  }
}
assert.equal((await pool.status()).waiting, 10);

// The limit is changed while they wait.
await pool.setLimits({ maxAtWork: 2 });
for (const session of sessions) {
  for await (const item of session.events()) if (item.type === 'turn.completed') break;
}
console.log(`served: ${served.join(', ')}`);
console.log(`at work at once: ${most}`);
assert.equal(most, 2);
assert.equal(served.length, 10);
// The small tenant came last, and did not wait for the eight of the other.
assert.ok(served.lastIndexOf('small') < 5, served.join(', '));

const { byTenant } = await pool.status();
for (const { grants, atWork: busy, waiting } of byTenant) {
  console.log(`slots given ${grants}, at work ${busy}, waiting ${waiting}`);
}
await stack.stop();
