/**
 * 03 · MCP. Tools of the real filesystem server, and documents ("resources") of another one.
 * The servers are in perdura.config.ts: their commands are code, so only the operator names them.
 *
 *     npm run example 03
 */
import assert from 'node:assert/strict';
import { AgentRuntime, type Session } from 'perdura';
import { openStack } from '../support.js';

await using _stack = await openStack({ config: new URL('./perdura.config.ts', import.meta.url) });
const runtime = await AgentRuntime.connect();
const session = await runtime.start();

const files = await ask(session, 'Read the files in the folder. What do they say about crane 2?');
// Named apart by their server, so that two servers may have tools of the same name.
assert.deepEqual(files.tools, [
  'harbour__list_allowed_directories',
  'harbour__list_directory',
  'harbour__read_text_file',
  'harbour__read_text_file',
]);
assert.match(files.text, /crane\.md/);

const listed = await ask(session, 'Call handbook__list_resources.');
const uri = /demo:\/\/resource\/static\/document\/[\w-]+\.md/.exec(listed.text)?.[0];
assert.ok(uri, 'the server lists its documents');

const read = await ask(session, `Call handbook__read_resource with {"uri":"${uri}"}.`);
assert.match(read.text, /# \w/);

await session.end();
await runtime.close();

/** Asks, and answers with the text and the tools that were called for it. */
async function ask(session: Session, question: string): Promise<{ text: string; tools: string[] }> {
  console.log(`\n> ${question}`);
  const { turn, text } = await session.ask(question);
  const { turns } = await session.timeline();
  const calls = turns.find((each) => each.turn === turn)!.steps.flatMap((step) => step.tools);
  for (const { name, result } of calls) {
    assert.equal(result?.failure, undefined);
    console.log(`  ${name} · ${result?.bytes} bytes · ${result?.ms} ms`);
  }
  console.log(text.length > 500 ? `${text.slice(0, 500)} …` : text);
  return { text, tools: calls.map(({ name }) => name) };
}
