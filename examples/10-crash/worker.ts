/** A worker process, as `perdura worker` is one. Ends with its parent. */
import { readSettings, runWorker } from 'perdura/worker';

await runWorker(readSettings(), () => process.send?.('ready'));
process.exit(0);
