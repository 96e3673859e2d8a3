/**
 * 05 · Interrupt. A long answer is stopped in the middle: the model's connection is closed,
 * what was said and what it cost is kept, and the session takes the next message.
 *
 *     npm run example 05
 */
import assert from 'node:assert/strict';
import { AgentRuntime, PerduraError } from 'perdura';
import { openStack } from '../support.js';

await using _stack = await openStack();
const runtime = await AgentRuntime.connect();
const session = await runtime.start();

// Somebody waits for the answer, elsewhere.
const waiting = session.ask('Tell me a long story.').catch((error: unknown) => error);

let heard = '';
let stopped = 0;
for await (const item of session.events()) {
  if (item.type === 'delta' && item.channel === 'text') {
    process.stdout.write(item.text);
    heard += item.text;
    if (heard.length > 80 && stopped === 0) {
      stopped = performance.now();
      console.log(' … ✋');
      const { interrupted } = await session.interrupt('that will do');
      assert.equal(interrupted, true);
    }
  }
  if (item.type === 'turn.interrupted') {
    console.log(
      `\ninterrupted (${item.reason}) after ${Math.round(performance.now() - stopped)} ms`,
    );
    console.log(`it cost ${item.usage.output} tokens of output, estimated`);
    assert.ok(item.usage.output > 0);
    break;
  }
}
assert.ok(performance.now() - stopped < 5_000);

const refused = await waiting;
assert.ok(refused instanceof PerduraError);
assert.equal(refused.type, 'Turn.Interrupted');
console.log(`who waited was told: ${refused.message}`);

const kept = (await session.transcript()).at(-1)!.message;
assert.ok(kept.role === 'assistant' && kept.finish === 'interrupted');
assert.ok(kept.text.startsWith(heard.slice(0, 80)));
console.log(`kept in the transcript: ${kept.text.length} characters`);

const next = await session.ask('And in one sentence?');
console.log(`agent: ${next.text}`);
assert.equal(next.turn, 2);

await session.end();
await runtime.close();
