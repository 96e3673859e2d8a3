/**
 * 18 · A tool that the client runs. The agent asks for a file that is open in the user's editor: the
 * call waits, at no cost, until the editor answers it. Editors come and go; a call is not lost.
 *
 *     npm run example 18
 */
import assert from 'node:assert/strict';
import { PerduraError, tool } from 'perdura';
import { startTestStack } from 'perdura/testing';
import { z } from 'zod';
import { findServers } from '../support.js';

// No `execute`: nobody but the holder of the session can look into the editor.
const openFile = tool({
  name: 'open_file',
  description: 'The text of a file in the editor of the user, unsaved changes included.',
  run: 'client',
  parameters: z.object({ path: z.string() }),
});
const pickColour = tool({
  name: 'pick_colour',
  description: 'Lets the user pick a colour.',
  run: 'client',
  timeoutMs: 60_000,
  parameters: z.object({}),
});

const stack = await startTestStack({
  ...(await findServers()),
  config: { tools: [openFile, pickColour] },
});
stack.model.enqueue(
  { toolCalls: [{ name: 'open_file', arguments: { path: 'notes.md' } }] },
  'Your notes say: buy milk.',
  {
    toolCalls: [{ name: 'open_file', arguments: { path: 'secret.txt' } }, { name: 'pick_colour' }],
  },
  'You would rather not show it, and you like green.',
);

const session = await stack.runtime.start();
const first = session.ask('What do my notes say?');

// The editor is not there yet: the call waits.
for await (const item of session.events()) {
  if (item.type !== 'tool.waiting') continue;
  console.log(`${item.name} waits as ${item.key}: ${item.args}`);
  break;
}

// The editor opens. It answers what waits, and all that follows.
const opened: string[] = [];
await using _editor = session.serve({
  open_file: ({ path }: { path: string }) => {
    opened.push(path);
    if (path === 'secret.txt') throw new Error('The user does not show this file.');
    return 'Buy milk.';
  },
});
console.log(`agent: ${(await first).text}`);

// A second client, such as a phone, answers what this editor cannot.
const second = session.ask('And what is in secret.txt, and which colour do I like?');
let key = '';
for await (const item of session.events()) {
  if (item.type !== 'tool.waiting' || item.name !== 'pick_colour') continue;
  key = item.key;
  break;
}
await session.answer(key, 'green');
console.log(`agent: ${(await second).text}`);
assert.deepEqual(opened, ['notes.md', 'secret.txt']);

// Too late: the first answer counts, and the second sender is told so.
const late = await session.answer(key, 'red').catch((error: unknown) => error);
assert.ok(late instanceof PerduraError && late.type === 'Call.NotOpen');
console.log(`too late: ${late.message}`);

const told = stack.model.requests.at(-1)!.messages.filter(({ role }) => role === 'tool');
assert.deepEqual(
  told.map(({ text }) => text),
  ['Buy milk.', 'The user does not show this file.', 'green'],
);
stack.model.assertDone();
await _editor.stop();
await stack.stop();
