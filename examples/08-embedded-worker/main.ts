/**
 * 08 · A worker in one's own application: one process serves HTTP, say, runs the
 * application's workflow and activities, and Perdura's agents beside them.
 *
 *     npm run example 08
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { NativeConnection } from '@temporalio/worker';
import { AgentRuntime } from 'perdura';
import {
  buildBundle,
  createWorker,
  InProcessLiveBus,
  loadConfig,
  readSettings,
  installRuntime,
} from 'perdura/worker';
import { openStack } from '../support.js';
import { createActivities } from './activities.js';
import type { dailyReport } from './workflows.js';

installRuntime('error');

await using stack = await openStack({ worker: 'own' });
// Reader and writer are in one process: words need not go over PostgreSQL.
const bus = new InProcessLiveBus();
const runtime = await AgentRuntime.connect({ bus });
const settings = readSettings();
const connection = await NativeConnection.connect({ address: stack.temporalAddress });
const worker = await createWorker({
  config: await loadConfig(settings),
  connection,
  taskQueue: stack.taskQueue,
  databaseUrl: stack.databaseUrl,
  bus,
  // Seconds at the start; an application builds it when it is built, as `perdura` does its own.
  workflowBundle: await buildBundle(fileURLToPath(new URL('./workflows.ts', import.meta.url))),
  activities: createActivities(runtime),
  // Temporal's own options, over ours.
  worker: {
    maxCachedWorkflows: settings.maxCachedWorkflows ?? 200,
    maxConcurrentActivityTaskExecutions: 50,
    shutdownGraceTime: '2 seconds',
  },
});

// Runs until the work is done, then shuts down in order.
await worker.runUntil(work());
await runtime.close();
await bus.close();
await connection.close();

async function work(): Promise<void> {
  const { text } = await (await runtime.start()).ask('hello');
  console.log(`an agent of this worker:    ${text.slice(0, 70)} …`);

  const result = await runtime.temporal.workflow.execute<typeof dailyReport>('dailyReport', {
    workflowId: `daily-${stack.taskQueue}`,
    taskQueue: stack.taskQueue,
    args: ['friday'],
  });
  console.log(`a workflow of our own:      ${result.arrivals} arrivals`);
  console.log(`what the agent made of it:  ${result.report.slice(0, 90)} …`);
  assert.equal(result.arrivals, 41);
  assert.match(result.report, /41 ships arrived on friday/);

  const session = runtime.session('report-friday');
  const { turn } = await session.status();
  console.log(`its session:                ${session.workflowId}, turn ${turn}`);
  assert.equal(turn, 1);
}
