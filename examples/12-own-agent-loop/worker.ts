/** A worker of this application: Temporal's own, with Perdura as a plugin. */
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';
import { installRuntime, perdura, readSettings } from 'perdura/worker';

installRuntime('error');
const { temporalAddress, taskQueue, maxCachedWorkflows } = readSettings();
const worker = await Worker.create({
  connection: await NativeConnection.connect({ address: temporalAddress ?? '' }),
  taskQueue,
  workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
  plugins: [perdura()],
  ...(maxCachedWorkflows && { maxCachedWorkflows }),
});
process.once('SIGTERM', () => worker.shutdown());
process.once('disconnect', () => worker.shutdown());
process.send?.('ready');
await worker.run();
process.exit(0);
