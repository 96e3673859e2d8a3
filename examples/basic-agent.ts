/**
 * Agents that work at the same time and talk to each other: five of them write to their neighbours,
 * then all talk in a group until each has spoken.
 *
 *     npm run example basic-agent
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { AgentRuntime } from 'perdura';
import { openStack } from './support.js';

await using _stack = await openStack(); // servers and a worker, where no `perdura dev` runs here
await using runtime = await AgentRuntime.connect({ tenant: `basic-${randomUUID().slice(0, 8)}` });

const names = ['ada', 'ben', 'cleo', 'dov', 'eve'];
const neighbour = (name: string) => names[(names.indexOf(name) + 1) % names.length]!;

// An agent that is made at run time is known to every worker. Each name is a session of it.
await runtime.factory().create({
  name: 'talker',
  instructions: 'You are friendly and brief.',
  tools: [],
  messages: true,
});
const sessions = await Promise.all(
  names.map((session) => runtime.start({ agent: 'talker', session })),
);

// All at once. The offline model does as it is told; a real one understands plain words too.
await Promise.all(
  sessions.map((each) =>
    each.ask(
      `Call send_message with {"to":"${neighbour(each.id)}","text":"Hello from ${each.id}!"}`,
    ),
  ),
);
for (const name of names) {
  while ((await runtime.messages.unread(neighbour(name))).length > 0) await setTimeout(20);
  const heard = (await runtime.session(neighbour(name)).transcript()).filter(
    ({ message }) => message.role === 'user' && message.from?.includes(name),
  );
  console.log(`${name} wrote to ${neighbour(name)}, who got it ${heard.length} time`);
  assert.equal(heard.length, 1);
}

// A group, in which one speaks after another.
await runtime.groups.create({
  name: 'table',
  members: names,
  speak: 'round-robin',
  maxHops: names.length,
});
await runtime.groups.send('table', { from: 'you', text: 'Please introduce yourselves.' });
while ((await runtime.groups.get('table')).busy) await setTimeout(50);
const said = await runtime.groups.history('table');
for (const { from, text } of said) console.log(`${from.padEnd(4)}: ${text.slice(0, 90)}`);
assert.deepEqual(
  said.map(({ from }) => from),
  ['you', ...names],
);

await runtime.groups.stop('table');
await Promise.all(sessions.map((session) => session.end()));
