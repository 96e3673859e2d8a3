/**
 * 15 · Memory. What an agent learns in one conversation it knows in the next one of the same user,
 * and of no other; two conversations cannot overwrite each other; and what a user wants erased is gone.
 *
 *     npm run example 15
 *
 * A scripted model (`perdura/testing`) makes the calls, so that they can be checked.
 */
import assert from 'node:assert/strict';
import { startTestStack } from 'perdura/testing';
import { findServers } from '../support.js';

await using stack = await startTestStack({
  ...(await findServers()),
  config: {
    agents: [
      {
        name: 'assistant',
        instructions: 'You plan voyages.',
        // The three entries that fit a message best are shown before the model asks for any.
        memory: { recallAtStart: 3 },
        // Of the context, the model sees the name, and nothing else.
        showContext: ['user.name'],
      },
    ],
  },
});
const { runtime, model } = stack;
const alice = { user: { id: 'u-1', name: 'Alice' }, organisation: 'harbour' };

// Monday: the model keeps a fact.
model.enqueue(
  {
    toolCalls: [
      {
        name: 'remember',
        arguments: { key: 'cabin', text: 'Sleeps badly in a cabin near the engine.' },
      },
    ],
  },
  'I will keep that in mind.',
);
const monday = await runtime.start({ context: alice });
await monday.ask('I slept badly, the cabin was next to the engine.');

// Tuesday: another session. The turn begins with what is known, as data.
model.enqueue('A cabin at the bow, then.');
const tuesday = await runtime.start({ context: alice });
await tuesday.ask('Book me a cabin for Friday.');
const seen = model.requests.at(-1)!;
console.log(seen.messages[0]!.text);
assert.match(seen.messages[0]!.text, /near the engine/);
assert.match(seen.system, /user\.name: "Alice"/);
assert.doesNotMatch(JSON.stringify(seen.body), /u-1/);

// Two writers of the same fact: the second one is shown what is there, and decides.
const { memory } = runtime;
const entry = (await memory.get({ user: 'u-1', key: 'cabin' }))!;
const text = 'Wants a cabin at the bow.';
const replaced = await memory.remember({ user: 'u-1', key: 'cabin', text, version: entry.version });
const late = await memory.remember({
  user: 'u-1',
  key: 'cabin',
  text: 'Any cabin.',
  version: entry.version,
});
console.log(replaced.outcome, late.outcome);
assert.equal(replaced.outcome, 'replaced');
assert.deepEqual(late, {
  outcome: 'conflict',
  key: 'cabin',
  current: { version: replaced.outcome === 'replaced' ? replaced.version : 0, text },
});

// Nobody else finds it.
assert.deepEqual(await memory.recall({ user: 'u-2', query: 'cabin' }), []);
assert.deepEqual(
  await runtime.forTenant('other').memory.recall({ user: 'u-1', query: 'cabin' }),
  [],
);

// Erased: the memory, and what was said in the sessions of the user.
const erased = await memory.erase({ user: 'u-1' });
console.log(`erased: ${erased.entries} entries, ${erased.messages} messages`);
assert.equal(erased.sessions, 2);
assert.deepEqual(await memory.list({ user: 'u-1' }), []);
assert.doesNotMatch(JSON.stringify(await monday.transcript()), /engine/);
