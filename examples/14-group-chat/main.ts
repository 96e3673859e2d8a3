/**
 * 14 · A group chat. Three agents talk about a question in turns, an agent writes to another one, a
 * broadcast reaches all, and the chat ends at its bound; a second one is stopped in the middle.
 *
 *     npm run example 14
 *
 * A scripted model plays the agents. It would go on for ever.
 */
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { defineAgent } from 'perdura';
import { startTestStack } from 'perdura/testing';
import { findServers } from '../support.js';

const agents = ['optimist', 'sceptic', 'judge'].map((name) =>
  defineAgent({ name, instructions: `You are the ${name}.`, messages: true }),
);
const stack = await startTestStack({ ...(await findServers()), config: { agents } });
const { runtime, model } = stack;

let lines = 0;
model.reply(/tell the judge/, ({ messages }) =>
  messages.at(-1)!.role === 'tool'
    ? 'I have told the judge.'
    : { toolCalls: [{ name: 'send_message', arguments: { to: 'jo', text: 'The crane leaks.' } }] },
);
model.reply(/./, ({ system }) => `${/the (\w+)/.exec(system)![1]}: argument ${++lines}`);

// Members are sessions. Each starts when it gets its first message.
await runtime.groups.create({
  name: 'crane',
  title: 'Shall we buy a second crane?',
  members: [
    { name: 'oda', agent: 'optimist' },
    { name: 'sam', agent: 'sceptic' },
    { name: 'jo', agent: 'judge' },
    { name: 'pia', role: 'observer' },
  ],
  speak: 'round-robin',
  maxHops: 5,
});
await runtime.groups.send('crane', { from: 'petra', text: 'Shall we buy a second crane?' });
await silent('crane');

const said = await runtime.groups.history('crane');
for (const { from, text } of said) console.log(`${from.padEnd(6)} ${text}`);
assert.deepEqual(
  said.map(({ from }) => from),
  ['petra', 'oda', 'sam', 'jo', 'oda', 'sam'],
);
console.log(`… and there it ended: maxHops is 5`);

// A person reads in a mailbox.
const unread = await runtime.messages.unread('pia');
console.log(`unread messages of pia: ${unread.length}`);
assert.equal(unread.length, 6);
assert.equal(await runtime.messages.markRead('pia'), 6);

// One agent writes to another, by a tool.
const oda = runtime.session('oda');
console.log(`oda    ${(await oda.ask('Please tell the judge what you know.')).text}`);
let jo = await transcriptOf('jo');
while (!jo.includes('The crane leaks.')) {
  await setTimeout(20);
  jo = await transcriptOf('jo');
}
console.log('jo has the message of oda');

// A broadcast goes to every session, and each receiver can be followed.
const { id, receivers } = await runtime.messages.broadcast({ text: 'Lunch!', priority: 'high' });
assert.equal(receivers, 3);
let counts = await countsOf(id);
while (counts.read !== 3) {
  await setTimeout(20);
  counts = await countsOf(id);
}
console.log(`broadcast: ${JSON.stringify(counts)}`);

// Stop means stop, for good.
await runtime.groups.create({
  name: 'endless',
  members: ['oda', 'sam', 'jo'],
  maxHops: 1_000,
  maxMessages: 10_000,
});
await runtime.groups.send('endless', { from: 'petra', text: 'Talk as long as you like.' });
while ((await runtime.groups.history('endless')).length < 4) await setTimeout(20);
await runtime.groups.stop('endless');
const before = (await runtime.groups.history('endless')).length;
await oda.ask('Are you still there?');
assert.equal((await runtime.groups.history('endless')).length, before);
console.log(`the endless group is stopped, after ${before} messages`);
await assert.rejects(runtime.groups.send('endless', { text: 'Go on!' }), {
  type: 'Group.Stopped',
});

await stack.stop();

async function silent(name: string): Promise<void> {
  while ((await runtime.groups.get(name)).busy) await setTimeout(20);
}

async function transcriptOf(name: string): Promise<string> {
  return JSON.stringify(await runtime.session(name).transcript());
}

async function countsOf(message: string) {
  return (await runtime.messages.deliveries(message)).counts;
}
