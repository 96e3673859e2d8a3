/**
 * 21 · A person in control. The agent wants to write files; each call waits, at no cost, until somebody
 * decides it in another terminal (here: another process). One is approved, one with other arguments,
 * one is declined; then the agent asks a question.
 *
 *     npm run example 21
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { tool, type RequestRecord } from 'perdura';
import { startTestStack } from 'perdura/testing';
import { z } from 'zod';
import { findServers } from '../support.js';

const files = new Map<string, string>();
// Named so that the default policy holds it: `file_write`, `shell_exec` and `code_run` are high-risk.
const write = tool({
  name: 'file_write',
  description: 'Writes a file.',
  effect: 'idempotent',
  parameters: z.object({ path: z.string(), text: z.string() }),
  execute: ({ path, text }) => {
    files.set(path, text);
    return `${path}: ${text.length} characters`;
  },
});

const servers = await findServers();
const stack = await startTestStack({
  ...servers,
  config: {
    tools: [write],
    agents: [{ name: 'assistant', instructions: 'Help.', tools: ['file_write', 'ask_user'] }],
  },
});
const file = (path: string, text: string) => ({ name: 'file_write', arguments: { path, text } });
stack.model.enqueue(
  {
    toolCalls: [file('notes.md', 'hello'), file('/etc/hosts', '0.0.0.0'), file('a.sh', 'rm -rf /')],
  },
  {
    toolCalls: [{ name: 'ask_user', arguments: { question: 'Publish?', choices: ['yes', 'no'] } }],
  },
  'I have published your notes.',
);

const session = await stack.runtime.start({ context: { user: 'alice' } });
const answer = session.ask('Write my notes, and publish them.');

/** The other terminal. */
async function perdura(...args: string[]): Promise<string> {
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const { temporalAddress, databaseUrl } = stack;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', main, ...args],
    {
      env: {
        ...process.env,
        NO_COLOR: '1',
        TEMPORAL_ADDRESS: temporalAddress,
        DATABASE_URL: databaseUrl,
        PERDURA_TENANT: stack.tenant,
      },
    },
  );
  console.log(`$ perdura ${args.join(' ')}\n${stdout}`);
  return stdout;
}

/** What waits, when it does. */
async function waiting(count: number): Promise<RequestRecord[]> {
  for (;;) {
    const requests = await stack.runtime.inbox.list({ session: session.id });
    if (requests.length === count) return requests;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const requests = await waiting(3);
const of = (path: string) => requests.find(({ arguments: args }) => args.includes(path))!.id;
await perdura('inbox');
await perdura('inbox', 'show', of('/etc/hosts').slice(0, 12));
assert.equal(files.size, 0);

await perdura('inbox', 'approve', of('notes.md'), '--as', 'bob');
const other = JSON.stringify({ path: 'hosts.txt', text: '0.0.0.0' });
await perdura('inbox', 'approve', of('/etc/hosts'), '--as', 'bob', '--edit', other);
await perdura(
  'inbox',
  'decline',
  of('a.sh'),
  '--as',
  'bob',
  '--reason',
  'That deletes everything.',
);

const [question] = await waiting(1);
await perdura('inbox', 'answer', question!.id.slice(0, 12), 'yes', '--as', 'bob');
console.log(`agent: ${(await answer).text}`);

assert.deepEqual(Object.fromEntries(files), { 'notes.md': 'hello', 'hosts.txt': '0.0.0.0' });
const told = stack.model.requests[1]!.messages.filter(({ role }) => role === 'tool');
assert.match(told[1]!.text, /A person has changed the arguments/);
assert.match(told[2]!.text, /That deletes everything/);
// Who asked does not decide, and nothing is decided twice.
const again = await stack.runtime.inbox
  .approve(question!.id, { by: 'alice' })
  .catch((error: unknown) => error);
assert.match(String(again), /has asked the agent for this/);
await stack.stop();
console.log('Two files were written, as decided.');
