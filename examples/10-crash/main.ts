/**
 * 10 · Crash. Two worker processes; one is killed with SIGKILL in the middle of a tool call,
 * after the tool has taken effect. The other one goes on: nothing is lost, nothing paid twice.
 *
 *     npm run example 10
 */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentRuntime } from 'perdura';
import { Ledger } from 'perdura/testing';
import { openStack } from '../support.js';

await using _stack = await openStack({
  config: new URL('./perdura.config.ts', import.meta.url),
  worker: 'own',
});
const folder = await mkdtemp(join(tmpdir(), 'perdura-example-'));
const ledger = await Ledger.start(join(folder, 'ledger.jsonl'));
process.env.LEDGER_URL = ledger.url;

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));
const workers = await Promise.all([startWorker(), startWorker()]);
console.log(`workers ${workers.map(({ pid }) => pid).join(' and ')}`);

const runtime = await AgentRuntime.connect();
const session = await runtime.start();
let killed = 0;
ledger.onEntry(({ pid, attempt, effect }) => {
  console.log(`ledger: attempt ${attempt} from ${pid}: ${effect ? 'paid' : 'paid already'}`);
  if (killed > 0) return;
  killed = performance.now();
  console.log(`kill -9 ${pid}`);
  process.kill(pid, 'SIGKILL');
});

const { text } = await session.ask('Call pay with {"invoice":"2025-117"}');
console.log(`agent: ${text} (${Math.round(performance.now() - killed)} ms after the kill)`);
assert.match(text, /2025-117 is paid/);

const [first, second] = ledger.entries;
assert.equal(ledger.entries.length, 2);
assert.notEqual(first?.pid, second?.pid, 'another process');
assert.equal(first?.key, second?.key, 'the same call');
assert.deepEqual(ledger.doubled(), []);
assert.equal(workers.filter(({ signalCode }) => signalCode === 'SIGKILL').length, 1);

// The survivor goes on with the conversation, which it has never seen before.
const next = await session.ask('hello');
console.log(`agent: ${next.text}`);
assert.equal(next.turn, 2);

await session.end();
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
await rm(folder, { recursive: true });

async function startWorker(): Promise<ChildProcess> {
  const child = fork(WORKER, { execArgv: ['--import', 'tsx'] });
  const [first] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as unknown[];
  assert.equal(first, 'ready', 'the worker has started');
  return child;
}
