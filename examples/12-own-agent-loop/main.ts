/**
 * 12 · An agent loop of one's own. A workflow of the application uses a model, tools and an MCP
 * server, without a session. Its worker is killed with SIGKILL in the middle of a tool call, after
 * the tool has taken effect; another worker goes on.
 *
 *     npm run example 12
 */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentRuntime } from 'perdura';
import { Ledger, replayHistory } from 'perdura/testing';
import { buildBundle } from 'perdura/worker';
import { openStack } from '../support.js';
import type { settle } from './workflows.js';

await using stack = await openStack({
  config: new URL('./perdura.config.ts', import.meta.url),
  worker: 'own',
});
const scratch = await mkdtemp(join(tmpdir(), 'perdura-example-'));
const ledger = await Ledger.start(join(scratch, 'ledger.jsonl'));
process.env.LEDGER_URL = ledger.url;

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));
const workers = await Promise.all([startWorker(), startWorker()]);
console.log(`workers ${workers.map(({ pid }) => pid).join(' and ')}`);

let killed = 0;
ledger.onEntry(({ pid, attempt, effect }) => {
  console.log(`ledger: attempt ${attempt} from ${pid}: ${effect ? 'paid' : 'paid already'}`);
  if (killed > 0) return;
  killed = performance.now();
  console.log(`kill -9 ${pid}`);
  process.kill(pid, 'SIGKILL');
});

const runtime = await AgentRuntime.connect();
const folder = fileURLToPath(new URL('./invoices', import.meta.url));
const handle = await runtime.temporal.workflow.start<typeof settle>('settle', {
  workflowId: `settle-${stack.taskQueue}`,
  taskQueue: stack.taskQueue,
  args: [runtime.tenant, folder, '2025-117'],
});
const result = await handle.result();
console.log(`${Math.round(performance.now() - killed)} ms after the kill:`);
console.log(result);

assert.match(result.read, /1,240\.00 EUR/, 'the MCP server was asked by the workflow');
assert.match(result.answer, /2025-117 is paid/);
// Both turns, each a question, a call, its result, an answer: nothing is missing or there twice.
const turn = ['user', 'assistant', 'tool', 'assistant'];
assert.deepEqual(result.roles, [...turn, ...turn]);
assert.ok(result.tokens > 0);

const [first, second] = ledger.entries;
assert.equal(ledger.entries.length, 2);
assert.notEqual(first?.pid, second?.pid, 'another process');
assert.equal(first?.key, second?.key, 'the same call');
assert.deepEqual(ledger.doubled(), []);
assert.equal(workers.filter(({ signalCode }) => signalCode === 'SIGKILL').length, 1);
assert.deepEqual(await runtime.sessions(), [], 'no session');

// What is recorded replays: new code can be tried on it before it is deployed.
const workflows = fileURLToPath(new URL('./workflows.ts', import.meta.url));
await replayHistory(await handle.fetchHistory(), {
  workflowBundle: await buildBundle(workflows),
  workflowId: handle.workflowId,
});

await runtime.close();
await Promise.all(
  workers
    .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
    .map((worker) => {
      worker.kill('SIGTERM');
      return once(worker, 'exit');
    }),
);
await ledger.stop();
await rm(scratch, { recursive: true });

async function startWorker(): Promise<ChildProcess> {
  const child = fork(WORKER, { execArgv: ['--import', 'tsx'] });
  const [first] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as unknown[];
  assert.equal(first, 'ready', 'the worker has started');
  return child;
}
