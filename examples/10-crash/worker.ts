/** A worker process, as `perdura worker` is one. Ends with its parent. */
import { readSettings, runWorker } from 'perdura/worker';

await runWorker(readSettings(), { ready: () => process.send?.('ready') });
process.exit(0);
