/**
 * 11 · Two agents and a person. A workflow of one's own starts two sessions as its children, asks
 * both, waits for a signal, and answers. The worker is Temporal's, with Perdura as a plugin.
 *
 *     npm run example 11
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';
import { AgentRuntime } from 'perdura';
import { installRuntime, perdura, readSettings } from 'perdura/worker';
import { openStack } from '../support.js';
import type { advise } from './workflows.js';

installRuntime('error');
await using stack = await openStack({
  config: new URL('./perdura.config.ts', import.meta.url),
  worker: 'own',
});
const runtime = await AgentRuntime.connect();
const { maxCachedWorkflows } = readSettings();
const connection = await NativeConnection.connect({ address: stack.temporalAddress });
const worker = await Worker.create({
  connection,
  taskQueue: stack.taskQueue,
  workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
  plugins: [perdura()],
  ...(maxCachedWorkflows && { maxCachedWorkflows }),
});
await worker.runUntil(work);
await runtime.close();
await connection.close();

async function work(): Promise<void> {
  const handle = await runtime.temporal.workflow.start<typeof advise>('advise', {
    workflowId: `advise-${stack.taskQueue}`,
    taskQueue: stack.taskQueue,
    args: [runtime.tenant, 'Shall we buy a second crane?'],
  });
  // Plain text, from any client of Temporal, at any time: it waits until it is wanted.
  await handle.signal('message', 'We buy it next year.');
  const { views, decision, answer } = await handle.result();
  console.log(
    `the views:    ${views.map((view) => view.slice(0, 60)).join(' …\n              ')} …`,
  );
  console.log(`the decision: ${decision}`);
  console.log(`the answer:   ${answer.slice(0, 90)} …`);
  assert.equal(views.length, 2);
  assert.ok(views.every((view) => view.length > 0));
  assert.equal(decision, 'We buy it next year.');
  assert.match(answer, /next year/);

  // They were its children, and end with it. What they said can be read.
  for (const { session, agent } of await runtime.sessions()) {
    const turns = (await runtime.session(session).timeline()).turns.length;
    console.log(`session ${session}: ${turns} ${turns === 1 ? 'turn' : 'turns'}`);
    assert.equal(turns, agent === 'sceptic' ? 2 : 1);
  }
}
