/**
 * A worker: where the activities meet the workflows' bundle. Used
 * by the worker process, by tests, and by applications that embed a worker.
 */
import {
  NativeConnection,
  Worker,
  type WorkerOptions,
  type WorkflowBundleOption,
} from '@temporalio/worker';
import type { ToolRegistry } from '../src/tools/tool-registry.js';
import type { MCPClientManager } from '../src/mcp/mcp-client-manager.js';
import { PerduraError } from '../src/contracts/failures.js';
import { DEFAULT_TASK_QUEUE } from '../src/contracts/ids.js';
import { workflowBundle } from './bundle.js';
import {
  composeActivities,
  refuseTakenNames,
  WORKER_DEFAULTS,
  type CompositionOptions,
} from './compose.js';

export interface PerduraWorkerOptions extends CompositionOptions {
  /** Connection to Temporal; the caller closes it. */
  readonly connection: NativeConnection;
  /** Default `default`. */
  readonly namespace?: string;
  /** Default `perdura`. */
  readonly taskQueue?: string;
  /** Default: the bundle of this build. Give your own when it has workflows of yours. */
  readonly workflowBundle?: WorkflowBundleOption;
  /** Activities of your own, beside Perdura's, under other names than those of Perdura. */
  readonly activities?: object;
  /** Passed on to Temporal's `Worker.create`, over our defaults. Its activities are `activities`. */
  readonly worker?: Partial<Omit<WorkerOptions, 'activities'>>;
}

/** A worker with what it holds. */
export interface PerduraWorker {
  readonly worker: Worker;
  readonly registry: ToolRegistry;
  readonly mcp: MCPClientManager;
  /** Runs until shut down, then closes MCP servers and the pool. */
  run(): Promise<void>;
  /** As `run`, until the promise settles, or that of the function, called once it polls. */
  runUntil<T>(until: Promise<T> | (() => Promise<T>)): Promise<T>;
  shutdown(): void;
}

/**
 * Makes a worker; `run()` starts it. Rejects with `Config.Invalid` when an activity of yours has
 * the name of one of Perdura's, with `Store.Unavailable`, `Store.NotMigrated`, `Store.TooNew` and
 * with Temporal's own errors: a worker that could do nothing takes no work. One that runs waits
 * for a database that goes away.
 */
export async function createWorker(options: PerduraWorkerOptions): Promise<PerduraWorker> {
  const { connection, namespace = 'default', taskQueue = DEFAULT_TASK_QUEUE } = options;
  const composed = await composeActivities({ ...options, connection, namespace, taskQueue });
  const { activities, registry, mcp, close } = composed;
  const create = async () => {
    refuseActivities(options.worker);
    refuseTakenNames('createWorker', options.activities, activities);
    return Worker.create({
      connection,
      namespace,
      taskQueue,
      workflowBundle: options.workflowBundle ?? (await workflowBundle()),
      activities: { ...options.activities, ...activities },
      ...WORKER_DEFAULTS,
      maxCachedWorkflows: 500,
      ...options.worker,
    });
  };
  const worker = await create().catch(async (error: unknown) => {
    await close();
    throw error;
  });
  const closing = async <T>(running: Promise<T>) => {
    try {
      return await running;
    } finally {
      await close();
    }
  };
  return {
    worker,
    registry,
    mcp,
    run: () => closing(worker.run()),
    runUntil: (until) => closing(worker.runUntil(until)),
    shutdown: () => worker.shutdown(),
  };
}

function refuseActivities(worker: PerduraWorkerOptions['worker']): void {
  if (!worker || !('activities' in worker)) return;
  throw new PerduraError(
    'Config.Invalid',
    'createWorker({ worker: { activities } }) would replace the activities of Perdura: hand yours over as createWorker({ activities }).',
  );
}
