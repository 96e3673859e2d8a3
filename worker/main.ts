/**
 * A worker process: `perdura worker`, and what `perdura dev` runs and restarts. Reads the
 * environment, tells its parent when it is ready, ends in order on SIGTERM and SIGINT.
 */
import { pathToFileURL } from 'node:url';
import { NativeConnection } from '@temporalio/worker';
import { loadConfig } from '../src/config/load-config.js';
import { readSettings, type Settings } from '../src/config/environment.js';
import { PerduraError, withRemedy } from '../src/contracts/failures.js';
import { localProfile, readTemporalProfile } from '../src/config/temporal-profile.js';
import { createLogger } from '../src/config/logger.js';
import { exitWithParent } from '../src/stack/exit-with-parent.js';
import { createWorker } from './create-worker.js';
import { installRuntime } from './runtime.js';

/** How a process runs its worker. */
export interface RunWorkerOptions {
  /** Called once it polls. */
  readonly ready?: () => void;
  /**
   * Shuts it down in order, as SIGTERM does: what runs ends or is handed over. Aborted before
   * the start, no worker is started.
   */
  readonly signal?: AbortSignal;
}

/**
 * Runs a worker until SIGTERM, SIGINT or `signal`, and resolves when it has stopped in order.
 * Rejects with `Config.Invalid`, `Temporal.Unavailable` and what {@link createWorker} says.
 */
export async function runWorker(
  settings: Settings,
  { ready = () => {}, signal }: RunWorkerOptions = {},
): Promise<void> {
  if (signal?.aborted) return;
  const log = createLogger(settings.logLevel);
  installRuntime(settings.logLevel);
  if (!settings.databaseUrl) {
    throw new PerduraError(
      'Config.Invalid',
      'DATABASE_URL is not set, and a worker needs PostgreSQL.',
    );
  }
  const config = await loadConfig(settings);
  const {
    address,
    namespace,
    connection: connect,
  } = readTemporalProfile(settings) ?? localProfile('127.0.0.1:7233', settings.temporalNamespace);
  const connection = await NativeConnection.connect(connect).catch((error: unknown) => {
    throw new PerduraError('Temporal.Unavailable', `No Temporal server answers at ${address}.`, {
      cause: error,
    });
  });
  try {
    const worker = await createWorker({
      config,
      connection,
      namespace,
      taskQueue: settings.taskQueue,
      databaseUrl: settings.databaseUrl,
      log,
      settings: {
        ...(settings.historyLimit === undefined ? {} : { historyLimit: settings.historyLimit }),
      },
      worker: {
        ...(settings.maxCachedWorkflows === undefined
          ? {}
          : { maxCachedWorkflows: settings.maxCachedWorkflows }),
      },
    });
    const running = worker.run();
    // What cannot be reached is in the log before anybody waits for it. It holds nobody up.
    worker.mcp.tools(config.agents.flatMap(({ mcp }) => mcp)).catch(() => undefined);
    const stop = () => {
      if (worker.worker.getState() === 'RUNNING') worker.shutdown();
      return running;
    };
    const stopSoon = () => void stop().catch(() => undefined);
    process.once('SIGTERM', stopSoon);
    process.once('SIGINT', stopSoon);
    signal?.addEventListener('abort', stopSoon);
    exitWithParent(stop, 25_000);
    try {
      // It may have come while the worker was made.
      if (signal?.aborted) stopSoon();
      else ready();
      await running;
    } finally {
      process.off('SIGTERM', stopSoon);
      process.off('SIGINT', stopSoon);
      signal?.removeEventListener('abort', stopSoon);
    }
  } finally {
    await connection.close();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    await runWorker(readSettings(), {
      ready: () => process.send?.({ type: 'ready', pid: process.pid }),
    });
    process.exit(0);
  } catch (error) {
    console.error(error instanceof PerduraError ? withRemedy(error) : error);
    process.exit(1);
  }
}
