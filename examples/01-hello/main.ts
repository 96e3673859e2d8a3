/**
 * 01 · Hello. Connect, start a session, ask; come back to it later by its name.
 *
 *     npm run example 01
 *
 * The agent `assistant` is there without any configuration. Without a key for a model a
 * scripted one answers, and says so.
 */
import assert from 'node:assert/strict';
import { AgentRuntime } from 'perdura';
import { openStack } from '../support.js';

await using _stack = await openStack();

// Finds Temporal and PostgreSQL in the standard variables, or the `perdura dev` of this folder.
const runtime = await AgentRuntime.connect();
const session = await runtime.start({ title: 'My first session' });

const { text, usage } = await session.ask('Hello! What can you do?');
console.log(`agent: ${text}`);
console.log(`       (${usage.input} tokens in, ${usage.output} out)`);
assert.ok(text.length > 0);

// The session lives in Temporal and PostgreSQL, not here: any process can pick it up.
const again = runtime.session(session.id);
const answer = await again.ask('Are you still there?');
console.log(`agent: ${answer.text}`);
assert.equal(answer.turn, 2);

const transcript = await again.transcript();
console.log('\nThe transcript, as it is kept:');
for (const { turn, message } of transcript) {
  if ('text' in message)
    console.log(`  turn ${turn} · ${message.role}: ${message.text.slice(0, 60)}`);
}
assert.deepEqual(
  transcript.map(({ message }) => message.role),
  ['user', 'assistant', 'user', 'assistant'],
);

await again.end('the example is over');
await runtime.close();
