/** The worker process of the baseline: Temporal's defaults throughout. */
import { NativeConnection, Worker } from '@temporalio/worker';
import * as activities from './activities.js';
import { answerTheBench, installRuntime } from '../worker-commands.js';

installRuntime();
const connection = await NativeConnection.connect({ address: process.env.BENCH_TEMPORAL! });
const worker = await Worker.create({
  connection,
  namespace: process.env.BENCH_NAMESPACE!,
  taskQueue: process.env.BENCH_TASK_QUEUE!,
  workflowBundle: { codePath: process.env.BENCH_BUNDLE! },
  activities,
});
await answerTheBench({ run: () => worker.run(), shutdown: () => worker.shutdown() });
await connection.close();
process.exit(0);
