/**
 * 19 · Planner. An agent that makes a plan, whose steps are carried out together where they can be.
 * One step fails, and the plan is changed; a step with a high-risk tool waits for a person, who declines it.
 *
 *     npm run example 19
 */
import assert from 'node:assert/strict';
import { AgentRuntime } from 'perdura';
import { openStack } from '../support.js';

await using _stack = await openStack({ config: new URL('./perdura.config.ts', import.meta.url) });
const runtime = await AgentRuntime.connect();
const session = await runtime.start();

// The offline model makes a plan of what it is asked to call, and another one when that fails.
const { text } = await session.ask(
  'call harbour_stock with {"item":"bolts"} and call city_stock with {"item":"nuts"}; ' +
    'if that fails, call city_stock with {"item":"bolts"} ' +
    'and call add with {"a":{"$from":"s2","path":"/pieces"},"b":{"$from":"s3","path":"/pieces"}}',
);
console.log(`agent: ${text}\n`);
assert.match(text, /The tool add answered: 200/);

const { turns } = await session.timeline();
for (const { revision, because, steps } of turns[0]!.plans ?? []) {
  console.log(`plan ${revision}${because ? ` (${because})` : ''}`);
  for (const { id, use, after = [], state, failure } of steps) {
    console.log(`  ${id} ${use} after [${after.join(', ')}]: ${state} ${failure?.message ?? ''}`);
  }
}
assert.deepEqual(
  turns[0]!.plans?.map(({ steps }) => steps.map(({ id, state }) => `${id} ${state}`)),
  [
    ['s1 failed', 's2 done'],
    // s2 is not repeated: its output is referred to.
    ['s3 done', 's4 done'],
  ],
);

// A high-risk tool: the plan waits there until a person decides, and is told what became of it.
const answer = session.ask('call file_write with {"path":"/etc/motd","text":"hello"}');
for (;;) {
  const [request] = await runtime.inbox.list({ session: session.id });
  if (request) {
    console.log(`\n${request.tool} waits for a person: ${request.arguments}`);
    await runtime.inbox.decline(request.id, { by: 'bob', reason: 'That file is not yours.' });
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
}
await answer;
const declined = (await session.transcript()).flatMap(({ message }) =>
  message.role === 'tool' && message.failure?.type === 'Tool.Declined' ? [message.failure] : [],
);
console.log(declined[0]?.message);
assert.match(declined[0]?.message ?? '', /That file is not yours/);

await session.end();
await runtime.close();
