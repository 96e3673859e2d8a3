/**
 * 02 · Tools. Parameters with zod and with JSON Schema, where a tool runs, what its effect
 * means, and what the model is told when a tool fails.
 *
 *     npm run example 02
 *
 * A scripted model (`perdura/testing`) makes the calls, so that they can be checked.
 */
import assert from 'node:assert/strict';
import { tool } from 'perdura';
import { startTestStack } from 'perdura/testing';
import { z } from 'zod';
import { findServers } from '../support.js';

const stock = new Map([['rope', 3]]);
const orders = new Map<string, string>();

/** `read`: may run again at any time. `local`: no round trip over Temporal, for what takes moments. */
const lookUp = tool({
  name: 'look_up_stock',
  description: 'How many of an article are in stock.',
  parameters: z.object({
    article: z.string(),
    unit: z.enum(['pieces', 'metres']).default('pieces'),
  }),
  effect: 'read',
  run: 'local',
  execute({ article, unit }) {
    const count = stock.get(article);
    // An error is for the model: it reads the message and tries another way.
    if (count === undefined)
      throw new Error(`No article "${article}". There are: ${[...stock.keys()].join(', ')}.`);
    return { article, count, unit };
  },
});

/** `keyed`: a worker may die after the effect, so the receiver is given a key to know the call by. */
const order = tool({
  name: 'order',
  description: 'Orders an article.',
  // JSON Schema does as well; `args` has no type then.
  parameters: {
    type: 'object',
    properties: { article: { type: 'string' }, count: { type: 'integer', minimum: 1 } },
    required: ['article', 'count'],
  },
  effect: 'keyed',
  timeoutMs: 10_000,
  execute({ article, count }, { idempotencyKey, progress }) {
    progress('ordering', 0.5);
    orders.set(idempotencyKey, `${String(count)} × ${String(article)}`);
    return 'Ordered.';
  },
});

/** `once`, the default: never run twice. After a crash the model is told OUTCOME_UNKNOWN. */
const ring = tool({
  name: 'ring_the_bell',
  description: 'Rings the bell at the quay.',
  execute: () => 'Ding.',
});

const stack = await startTestStack({
  ...(await findServers()),
  config: { tools: [lookUp, order, ring] },
});
stack.model.enqueue(
  { toolCalls: [{ name: 'look_up_stock', arguments: { article: 'ropes' } }] },
  { toolCalls: [{ name: 'look_up_stock', arguments: { article: 'rope' } }] },
  { toolCalls: [{ name: 'order', arguments: { article: 'rope', count: 'five' } }] },
  // Calls of one step run at the same time; their results keep the order of the calls.
  {
    toolCalls: [
      { name: 'order', arguments: { article: 'rope', count: 5 } },
      { name: 'ring_the_bell' },
    ],
  },
  'Five ropes are on their way, and the bell was rung.',
);

const session = await stack.runtime.start();
const { text } = await session.ask('Order five ropes, then ring.');

const results: string[] = [];
for (const { message } of await session.transcript()) {
  if (message.role === 'assistant') {
    for (const call of message.toolCalls ?? []) console.log(`→ ${call.name} ${call.arguments}`);
  }
  if (message.role !== 'tool') continue;
  const said = message.content.map((part) => (part.type === 'text' ? part.text : '')).join('');
  console.log(`← ${message.failure?.type ?? 'ok'}: ${said}`);
  results.push(message.failure?.type ?? said);
}
console.log(`agent: ${text}`);

assert.deepEqual(results, [
  'Tool.Failed', // what `execute` threw
  '{"article":"rope","count":3,"unit":"pieces"}', // zod put in the default
  'Tool.InvalidArguments', // "five" is no integer; the tool did not run
  'Ordered.',
  'Ding.',
]);
assert.deepEqual([...orders.values()], ['5 × rope']);
stack.model.assertDone();
await stack.stop();
