/**
 * What the bench asks of a worker process, ours and the baseline's alike: its CPU time, its
 * memory, to end. Counting queries costs the same few ns in both (the baseline has none).
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import pg from 'pg';

/** The answer to `{ ask: 'usage' }`. */
export interface WorkerUsage {
  /** User and system time of the whole process, native threads included, ms. */
  readonly cpuMs: number;
  /** Statements sent to PostgreSQL. */
  readonly queries: number;
  readonly rssKB: number;
  /** Heap of the main thread; the workflows' own thread is in `rssKB` only. */
  readonly heapKB: number;
}

let queries = 0;

function countQueries(): void {
  type Query = (this: pg.Client, ...args: unknown[]) => unknown;
  const prototype = pg.Client.prototype as unknown as { query: Query };
  const { query } = prototype;
  prototype.query = function (...args) {
    queries += 1;
    return query.apply(this, args);
  };
}

/** Errors alone: the table is what should be read. */
export function installRuntime(): void {
  const filter = makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' });
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter, forward: {} } },
    shutdownSignals: [],
  });
}

export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

function usage(): WorkerUsage {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return {
    cpuMs: (user + system) / 1000,
    queries,
    rssKB: rss / 1024,
    heapKB: heapUsed / 1024,
  };
}

/** Runs the worker until the bench ends it or goes away. */
export async function answerTheBench(worker: {
  run: () => Promise<void>;
  shutdown: () => void;
}): Promise<void> {
  countQueries();
  process.on('message', (message: { ask: 'usage' | 'memory' | 'stop' }) => {
    if (message.ask === 'stop') worker.shutdown();
    else {
      if (message.ask === 'memory') collectGarbage();
      process.send?.({ type: 'usage', usage: usage() });
    }
  });
  process.on('disconnect', () => process.exit(0));
  const running = worker.run();
  process.send?.({ type: 'ready' });
  await running;
}
