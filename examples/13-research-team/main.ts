/**
 * 13 · A research team. The desk hands the conversation over to the lead, who gives two tasks to
 * researchers at the same time: one answers in JSON of a schema, the other fails, and the lead is told
 * so. One stream shows all sessions, and the bill says who spent what.
 *
 *     npm run example 13
 */
import assert from 'node:assert/strict';
import { defineAgent } from 'perdura';
import { startTestStack } from 'perdura/testing';
import { z } from 'zod';
import { findServers } from '../support.js';

const Figure = z.object({ metres: z.number(), source: z.string() });

const desk = defineAgent({
  name: 'desk',
  instructions: 'You are the desk. Hand over what has to be found out.',
  handoffs: [{ agent: 'lead', reason: true }],
});
const lead = defineAgent({
  name: 'lead',
  description: 'Leads the researchers.',
  instructions: 'You are the lead. Ask your researchers.',
  agents: [
    { agent: 'researcher', name: 'measure', input: z.object({ what: z.string() }), output: Figure },
    'researcher',
  ],
});
const researcher = defineAgent({
  name: 'researcher',
  description: 'Finds things out.',
  instructions: 'You are a researcher.',
});

const stack = await startTestStack({
  ...(await findServers()),
  config: { agents: [desk, lead, researcher] },
});
const { model, runtime } = stack;
model.reply(({ system }) => system.includes('You are the desk'), {
  toolCalls: [{ name: 'transfer_to_lead', arguments: { reason: 'a question of fact' } }],
});
model.reply('How tall', ({ messages }) => {
  // The first result is that of the handoff.
  const [, ...answers] = messages.filter(({ role }) => role === 'tool').map(({ text }) => text);
  if (answers.length > 0) return `I was told: ${answers.join('; ')}`;
  return {
    toolCalls: [
      { name: 'measure', arguments: { what: 'the crane' } },
      { name: 'researcher', arguments: { task: 'Who built the crane?' } },
    ],
  };
});
model.reply('the crane"', '{"metres":48,"source":"its plate"}');
model.reply('Who built', { error: { status: 400, message: 'the archive is closed' } });

const session = await runtime.start({ agent: 'desk' });
const seen = new Set<string>();
const watching = (async () => {
  for await (const item of session.events({ tree: true })) {
    seen.add(item.session);
    if ('n' in item) console.log(`${['team', ...item.path].join(' › ')}: ${item.type}`);
    if (item.type === 'turn.completed' && item.session === session.id) return;
  }
})();
const { text } = await session.ask('How tall is the crane, and who built it?');
await watching;
console.log(text);
assert.match(text, /"metres":48/);
assert.match(text, /the archive is closed/);
assert.equal(seen.size, 3);

// The handoff has changed the agent, not the session.
const { turns, agents } = await session.timeline();
const handoffs = turns.flatMap(({ steps }) => steps.flatMap(({ handoff }) => handoff ?? []));
console.log(`handed over by ${handoffs[0]?.from.agent}: ${handoffs[0]?.reason}`);
assert.deepEqual(
  handoffs.map(({ from, to, reason }) => [from.agent, to.agent, reason]),
  [['desk', 'lead', 'a question of fact']],
);
assert.equal((await session.record())?.agent, 'lead');
for (const { agent, attempts, costMicros } of agents) {
  console.log(`${agent}: ${attempts} model calls, ${costMicros / 1e6} USD`);
}
assert.deepEqual(
  agents.map(({ agent, attempts }) => [agent, attempts]),
  [
    ['desk', 1],
    ['lead', 2],
  ],
);
for (const { session: name, agent, path, costMicros } of await session.below()) {
  console.log(`${path?.join(' › ')} (${agent}): ${costMicros / 1e6} USD`);
  assert.deepEqual(path, [session.id, name]);
}
await stack.stop();
