/**
 * What `perdura dev` starts, in order: Temporal, PostgreSQL with its tables, the offline model
 * when there is no API key, workers in processes of their own; and stops in the other order.
 * Handles no signals and prints nothing: that is the command's.
 */
import type { Settings } from '../config/environment.js';
import { SEARCH_ATTRIBUTES } from '../contracts/activities.js';
import { migrate } from '../store/migrate.js';
import { compiledModule } from './compiled.js';
import { resolveDatabase } from './database.js';
import type { ResolvedDatabase } from './database.js';
import { needsOfflineModel, settingsFor, workerEnvironment } from './dev-environment.js';
import { takeDevLock } from './dev-lock.js';
import type { RunningStack } from './dev-lock.js';
import { settleForgottenSessions } from './forgotten-sessions.js';
import { logsOf } from './logs.js';
import { startOfflineModel } from './offline-model.js';
import type { OfflineModel } from './offline-model.js';
import { supervise } from './process-supervisor.js';
import type { SupervisedProcess } from './process-supervisor.js';
import { resolveTemporal } from './temporal-server.js';
import type { ResolvedTemporal } from './temporal-server.js';

/** A little more than a worker gives what it runs (`shutdownForceTime` in worker/create-worker.ts). */
const WORKER_GRACE_MS = 30_000;

export interface DevOptions {
  readonly settings: Settings;
  /** Number of worker processes; 0 for none. Default 1. */
  readonly workers?: number;
  /** The folder is ours, and things are started from now on. Must not throw. */
  readonly onBegin?: () => void;
  /** What is going on, in sentences for people. Must not throw. */
  readonly onProgress?: (text: string) => void;
  /** Each line that a part prints; it is in `<dataDir>/logs/<part>.log` too. Must not throw. */
  readonly onLine?: (part: string, line: string) => void;
  /** Other programs than the compiled ones, for tests. */
  readonly modules?: { readonly worker?: string; readonly offlineModel?: string };
}

export interface DevStack extends RunningStack {
  readonly temporal: ResolvedTemporal;
  readonly database: ResolvedDatabase;
  /** Undefined when a provider is configured. */
  readonly offlineModel: OfflineModel | undefined;
  readonly workers: readonly SupervisedProcess[];
  /** The first worker; undefined with `workers: 0`. `kill()` it: it starts again. */
  readonly worker: SupervisedProcess | undefined;
  /** The settings with the addresses of this stack in place: for a client in this process. */
  readonly settings: Settings;
  /** Workers finish what they can, then everything ends. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts everything and resolves when all workers are ready. Throws `Stack.Unavailable` when
 * the folder's stack runs already, or with what is missing; what was started is stopped then.
 */
export async function startDevStack(options: DevOptions): Promise<DevStack> {
  const { settings, onProgress } = options;
  const lock = await takeDevLock(settings.dataDir);
  const stops: (() => Promise<void>)[] = [lock.release];
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= stopAll(stops));
  options.onBegin?.();
  try {
    const logs = logsOf(settings, options.onLine);
    const starts = await Promise.allSettled([
      resolveDatabase({
        settings,
        onOutput: logs.text('postgres'),
        ...(onProgress && { onProgress }),
      }),
      resolveTemporal({
        settings,
        onOutput: logs.text('temporal'),
        ...(onProgress && { onProgress }),
        searchAttributes: Object.fromEntries(
          Object.values(SEARCH_ATTRIBUTES).map((name) => [name, 'Keyword']),
        ),
      }),
    ]);
    // In this order: Temporal stops before PostgreSQL.
    for (const each of starts) if (each.status === 'fulfilled') stops.push(each.value.stop);
    const [database, temporal] = [valueOf(starts[0]), valueOf(starts[1])];
    onProgress?.(`${temporal.describe}.`);
    onProgress?.(`${database.describe}.`);
    void temporal.ended.then((reason) => {
      if (!stopped) onProgress?.(`Temporal ended (${reason}). Restart \`perdura dev\`.`);
    });
    await migrate(database.url);
    if (temporal.kind === 'java-test-server' && database.kind === 'built-in') {
      await settleForgottenSessions(database.url);
    }

    const workers: SupervisedProcess[] = [];
    const offlineModel = needsOfflineModel(settings)
      ? await startOfflineModel({
          module: options.modules?.offlineModel,
          onLine: logs.line('offline-model'),
          // They read the address when they start.
          onMoved: () => workers.forEach((worker) => worker.kill('SIGTERM')),
        })
      : undefined;
    if (offlineModel) stops.push(offlineModel.stop);

    const environment = () => workerEnvironment(settings, temporal, database, offlineModel);
    const wanted = options.workers ?? 1;
    const module = wanted > 0 ? (options.modules?.worker ?? compiledModule('worker/main.js')) : '';
    const started = await Promise.allSettled(
      Array.from({ length: wanted }, (_, index) => {
        const name = wanted === 1 ? 'worker' : `worker-${index + 1}`;
        return supervise({
          name,
          module,
          environment,
          graceMs: WORKER_GRACE_MS,
          onLine: logs.line(name),
        });
      }),
    );
    for (const each of started) if (each.status === 'fulfilled') workers.push(each.value);
    stops.push(async () => {
      await Promise.all(workers.map((worker) => worker.stop()));
    });
    started.forEach(valueOf);

    const running: RunningStack = {
      temporalKind: temporal.kind,
      temporalAddress: temporal.address,
      namespace: temporal.namespace,
      databaseUrl: database.url,
      ...(offlineModel && { modelBaseUrl: offlineModel.baseUrl }),
      ...(temporal.uiUrl && { uiUrl: temporal.uiUrl }),
    };
    await lock.publish(running);
    return {
      ...running,
      temporal,
      database,
      offlineModel,
      workers,
      worker: workers[0],
      settings: settingsFor(settings, running),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The last started first. One that fails does not keep the others running. */
async function stopAll(stops: readonly (() => Promise<void>)[]): Promise<void> {
  for (const stop of stops.toReversed()) await stop().catch(() => undefined);
}

function valueOf<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}
