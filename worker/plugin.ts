/**
 * Perdura as a plugin of Temporal's SDK, for a worker that an application makes itself:
 *
 *     const worker = await Worker.create({
 *       connection,
 *       taskQueue,
 *       workflowsPath: require.resolve('./workflows'), // export { agentSession } from 'perdura/workflow'
 *       plugins: [perdura()],
 *     });
 *     await worker.run();
 *
 * It adds the activities, and the workflow `agentSession` where the worker has none of its own. What
 * it opens (the pool, MCP servers) is closed when the worker has stopped.
 */
import type {
  BundlerPlugin,
  BundleOptions,
  ReplayWorkerOptions,
  Worker,
  WorkerOptions,
  WorkerPlugin,
} from '@temporalio/worker';
import { readSettings } from '../src/config/environment.js';
import { loadConfig } from '../src/config/load-config.js';
import { PerduraError } from '../src/contracts/failures.js';
import { INTERCEPTOR_MODULES, SHARED_MODULES, workflowBundle, workflowsEntry } from './bundle.js';
import {
  composeActivities,
  refuseTakenNames,
  WORKER_DEFAULTS,
  type CompositionOptions,
} from './compose.js';

/** Default for each: as `perdura worker` finds it, in the environment and in `perdura.config.ts`. */
export type PerduraPluginOptions = Partial<CompositionOptions>;

/** Perdura for one worker. */
export function perdura(options: PerduraPluginOptions = {}): PerduraPlugin {
  return new PerduraPlugin(options);
}

export class PerduraPlugin implements WorkerPlugin, BundlerPlugin {
  readonly name = 'perdura';
  readonly #options: PerduraPluginOptions;
  #configured = false;
  #close: () => Promise<void> = async () => undefined;

  constructor(options: PerduraPluginOptions) {
    this.#options = options;
  }

  /**
   * Rejects with `Config.Invalid` where an activity has the name of one of Perdura's, and with what
   * {@link composeActivities} says: a worker that could do nothing takes no work.
   */
  async configureWorker(options: WorkerOptions): Promise<WorkerOptions> {
    if (this.#configured) {
      throw new PerduraError('Config.Invalid', 'Each worker needs a plugin of its own: perdura().');
    }
    this.#configured = true;
    const { connection, namespace = 'default', taskQueue, workflowsPath } = options;
    if (!connection) {
      throw new PerduraError('Config.Invalid', 'Worker.create needs a `connection` for perdura().');
    }
    const given = await this.#read();
    const composed = await composeActivities({ ...given, connection, namespace, taskQueue });
    const { activities, close } = composed;
    this.#close = close;
    try {
      refuseTakenNames('Worker.create', options.activities, activities);
      const own = options.workflowBundle !== undefined || workflowsPath !== undefined;
      return {
        ...WORKER_DEFAULTS,
        ...options,
        activities: { ...options.activities, ...activities },
        ...(own ? {} : { workflowBundle: await workflowBundle() }),
      };
    } catch (error) {
      await close();
      throw error;
    }
  }

  async configureReplayWorker(options: ReplayWorkerOptions): Promise<ReplayWorkerOptions> {
    const own = options.workflowBundle !== undefined || options.workflowsPath !== undefined;
    return own ? options : { ...options, workflowBundle: await workflowBundle() };
  }

  /** Our workflows only where there are none to bundle: those of an application export `agentSession`. */
  configureBundler(options: BundleOptions): BundleOptions {
    const {
      workflowsPath = workflowsEntry(),
      preloadModules = [],
      workflowInterceptorModules = [],
    } = options as Partial<BundleOptions>;
    return {
      ...options,
      workflowsPath,
      preloadModules: [...preloadModules, ...SHARED_MODULES],
      workflowInterceptorModules: [...INTERCEPTOR_MODULES, ...workflowInterceptorModules],
    };
  }

  async runWorker(worker: Worker, next: (worker: Worker) => Promise<void>): Promise<void> {
    try {
      await next(worker);
    } finally {
      await this.#close();
    }
  }

  async #read(): Promise<CompositionOptions> {
    const { config, databaseUrl, ...rest } = this.#options;
    const settings = readSettings();
    const url = databaseUrl ?? settings.databaseUrl;
    if (url === undefined) {
      throw new PerduraError(
        'Config.Invalid',
        'DATABASE_URL is not set, and a worker needs PostgreSQL.',
      );
    }
    return { ...rest, databaseUrl: url, config: config ?? (await loadConfig(settings)) };
  }
}
