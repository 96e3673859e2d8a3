/**
 * Composition of a worker: the only place where activities meet the workflows' bundle. Used
 * by the worker process, by tests, and by applications that embed a worker.
 */
import {
  NativeConnection,
  Worker,
  type WorkerOptions,
  type WorkflowBundleOption,
} from '@temporalio/worker';
import { createActivities, type ActivitySettings } from '../activities/index.js';
import { createArtifactTool } from '../src/tools/artifact-tool.js';
import { ToolRegistry } from '../src/tools/tool-registry.js';
import { MCPClientManager } from '../src/mcp/mcp-client-manager.js';
import type { SessionActivities } from '../src/contracts/activities.js';
import type { ResolvedConfig } from '../src/contracts/config.js';
import { PerduraError } from '../src/contracts/failures.js';
import type { ToolLogger } from '../src/contracts/tool.js';
import { DEFAULT_TASK_QUEUE } from '../src/contracts/ids.js';
import type { LiveBus } from '../src/live/bus.js';
import { PostgresLiveBus } from '../src/live/postgres-bus.js';
import { openDatabase } from '../src/store/database.js';
import { checkReady } from '../src/store/readiness.js';
import { openStores } from '../src/store/stores.js';
import { agentDirectory, providers } from './agent-directory.js';
import { workflowBundle } from './bundle.js';
import { createToolSource } from './tool-source.js';
import { hasSearchAttributes } from './search-attributes.js';

export interface PerduraWorkerOptions {
  readonly config: ResolvedConfig;
  /** Connection to Temporal; the caller closes it. */
  readonly connection: NativeConnection;
  /** Default `default`. */
  readonly namespace?: string;
  /** Default `perdura`. */
  readonly taskQueue?: string;
  /** PostgreSQL with the schema of this version (see `migrate`). */
  readonly databaseUrl: string;
  /** Default over PostgreSQL, so that readers in other processes hear too. */
  readonly bus?: LiveBus;
  /** Tools that may change while the worker runs. Default: those of the configuration. */
  readonly registry?: ToolRegistry;
  /** Default: the bundle of this build. Give your own when it has workflows of yours. */
  readonly workflowBundle?: WorkflowBundleOption;
  /** Activities of your own, beside Perdura's, under other names than those of Perdura. */
  readonly activities?: object;
  readonly settings?: Partial<Omit<ActivitySettings, 'searchAttributes'>>;
  /** Passed on to Temporal's `Worker.create`, over our defaults. Its activities are `activities`. */
  readonly worker?: Partial<Omit<WorkerOptions, 'activities'>>;
  readonly log?: ToolLogger;
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

const DEFAULTS = {
  modelTimeoutMs: 600_000,
  heartbeatTimeoutMs: 5_000,
  maxModelAttempts: 6,
  historyLimit: 1_000,
} as const;

/**
 * Makes a worker; `run()` starts it. Rejects with `Config.Invalid` when an activity of yours has
 * the name of one of Perdura's, with `Store.Unavailable`, `Store.NotMigrated`, `Store.TooNew` and
 * with Temporal's own errors: a worker that could do nothing takes no work. One that runs waits
 * for a database that goes away.
 */
export async function createWorker(options: PerduraWorkerOptions): Promise<PerduraWorker> {
  const { config, connection, namespace = 'default', log = SILENT } = options;
  const database = openDatabase(options.databaseUrl);
  await checkReady(database).catch(async (error: unknown) => {
    await database.close();
    throw error;
  });
  const bus: LiveBus = options.bus ?? new PostgresLiveBus(database);
  const stores = openStores(database, (key, n) => bus.appended?.(key, n));
  const registry = options.registry ?? new ToolRegistry(config.tools);
  const mcp = new MCPClientManager(config.mcp, { pins: stores.pins, log });
  const readArtifact = createArtifactTool(async (id, offset, length, context) => {
    const { content, bytes, mediaType } = await stores.artifacts.get(context, id);
    return { bytes: content.subarray(offset, offset + length), total: bytes, mediaType };
  });
  const activities: SessionActivities = createActivities({
    ...stores,
    bus,
    agents: agentDirectory(config),
    tools: createToolSource({ registry, mcp, always: [readArtifact], log }),
    provider: providers(config),
    settings: {
      ...DEFAULTS,
      ...options.settings,
      searchAttributes: await hasSearchAttributes(connection, namespace),
    },
    log,
  });
  const close = async () => {
    await mcp.close();
    if (!options.bus) await bus.close();
    await database.close();
  };
  const create = async () => {
    refuseTakenNames(options, Object.keys(activities));
    return Worker.create({
      connection,
      namespace,
      taskQueue: options.taskQueue ?? DEFAULT_TASK_QUEUE,
      workflowBundle: options.workflowBundle ?? (await workflowBundle()),
      activities: { ...options.activities, ...activities },
      // What runs gets this long to end or to hand over.
      shutdownGraceTime: 10_000,
      shutdownForceTime: 25_000,
      // After a worker died, its sessions wait this long for it before another takes them.
      stickyQueueScheduleToStartTimeout: 2_000,
      maxHeartbeatThrottleInterval: 2_000,
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

/** Perdura's own would stand in its place, and nobody would see why it never runs. */
function refuseTakenNames({ activities, worker }: PerduraWorkerOptions, ours: string[]): void {
  if (worker && 'activities' in worker) {
    throw new PerduraError(
      'Config.Invalid',
      'createWorker({ worker: { activities } }) would replace the activities of Perdura: hand yours over as createWorker({ activities }).',
    );
  }
  const taken = Object.keys(activities ?? {}).filter((name) => ours.includes(name));
  if (taken.length === 0) return;
  throw new PerduraError(
    'Config.Invalid',
    `createWorker({ activities }) has ${taken.map((name) => `"${name}"`).join(', ')}, which Perdura has itself: give it another name, there and in the workflows that call it. Taken are: ${ours.join(', ')}.`,
  );
}

const SILENT: ToolLogger = { debug() {}, info() {}, warn() {}, error() {} };
