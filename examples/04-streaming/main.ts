/**
 * 04 · Streaming. Durable events (numbered, kept) and live deltas (the words as they are said)
 * come in one stream. A reader who went away names the last number that it has, and goes on.
 *
 *     npm run example 04
 */
import assert from 'node:assert/strict';
import { AgentRuntime, type StreamItem } from 'perdura';
import { openStack } from '../support.js';

await using _stack = await openStack();
const runtime = await AgentRuntime.connect();
const session = await runtime.start();

/** What a reader keeps: the number of the last event, and what was heard of the step so far. */
const seen = { last: 0, numbers: [] as number[], text: '', final: '' };

function take(item: StreamItem): void {
  switch (item.type) {
    case 'delta':
      if (item.channel !== 'text') return;
      // The offset says where a piece belongs. Who comes back is told the step from its
      // beginning; what was printed before is not printed again.
      process.stdout.write(item.text.slice(Math.max(0, seen.text.length - item.offset)));
      seen.text = seen.text.slice(0, item.offset) + item.text;
      return;
    case 'superseded':
      // The worker died or the connection broke: another attempt says it from the beginning.
      seen.text = '';
      process.stdout.write(`\n(attempt ${item.by} takes over)\n`);
      return;
    case 'step.completed':
      seen.final = item.text;
      break;
  }
  if ('n' in item) {
    seen.last = item.n;
    seen.numbers.push(item.n);
  }
}

await session.send('Count to 40, slowly.');
for await (const item of session.events()) {
  take(item);
  // The connection of a browser breaks in the middle of a sentence.
  if (item.type === 'delta' && seen.text.length > 60) break;
}
console.log(`\n\n(gone after event ${seen.last}; the agent talks on — and back again)\n`);

for await (const item of session.events({ after: seen.last })) {
  take(item);
  if (item.type === 'turn.completed' || item.type === 'turn.failed') break;
}
console.log(`\n\nevents ${seen.numbers.join(' ')}, every one once`);

assert.ok(seen.final.length > 100);
assert.equal(seen.text, seen.final, 'the pieces are the whole');
assert.deepEqual(
  seen.numbers,
  seen.numbers.map((_, i) => i + 1),
);
await session.end();
await runtime.close();
