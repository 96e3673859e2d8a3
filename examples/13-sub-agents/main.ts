/**
 * 13 · Sub-agents. A lead gives two tasks to researchers at the same time; one answers in JSON of a
 * schema, the other fails, and the lead is told so. One stream shows all three sessions.
 *
 *     npm run example 13
 */
import assert from 'node:assert/strict';
import { defineAgent } from 'perdura';
import { startTestStack } from 'perdura/testing';
import { z } from 'zod';
import { findServers } from '../support.js';

const Figure = z.object({ metres: z.number(), source: z.string() });

const lead = defineAgent({
  name: 'lead',
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
  config: { agents: [lead, researcher] },
});
const { model, runtime } = stack;
model.reply('How tall', ({ messages }) => {
  const results = messages.filter(({ role }) => role === 'tool').map(({ text }) => text);
  if (results.length > 0) return `I was told: ${results.join('; ')}`;
  return {
    toolCalls: [
      { name: 'measure', arguments: { what: 'the crane' } },
      { name: 'researcher', arguments: { task: 'Who built the crane?' } },
    ],
  };
});
model.reply('the crane"', '{"metres":48,"source":"its plate"}');
model.reply('Who built', { error: { status: 400, message: 'the archive is closed' } });

const session = await runtime.start({ agent: 'lead' });
const seen = new Set<string>();
const watching = (async () => {
  for await (const item of session.events({ tree: true })) {
    seen.add(item.session);
    if ('n' in item) console.log(`${['lead', ...item.path].join(' › ')}: ${item.type}`);
    if (item.type === 'turn.completed' && item.session === session.id) return;
  }
})();
const { text } = await session.ask('How tall is the crane, and who built it?');
await watching;
console.log(text);
assert.match(text, /"metres":48/);
assert.match(text, /the archive is closed/);
assert.equal(seen.size, 3);

for (const { session: name, agent, path, costMicros } of await session.below()) {
  console.log(`${path?.join(' › ')} (${agent}): ${costMicros / 1e6} USD`);
  assert.deepEqual(path, [session.id, name]);
}
await stack.stop();
