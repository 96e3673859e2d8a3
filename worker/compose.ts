/**
 * Composition of the activities: what each is given, from one configuration. For workers that
 * Perdura makes (`create-worker.ts`) and for those of an application (`plugin.ts`).
 */
import type { NativeConnection, WorkerOptions } from '@temporalio/worker';
import { courierWaker } from '../activities/mail/wake.js';
import { createActivities, type ActivitySettings } from '../activities/index.js';
import type { ToolSource } from '../activities/deps.js';
import { agentTools, DELEGATING_TOOLS } from '../src/tools/agent-tools.js';
import { askUserTool } from '../src/tools/ask-user.js';
import { createArtifactTool, READ_ARTIFACT } from '../src/tools/artifact-tool.js';
import { createMemoryTools } from '../src/tools/memory-tools.js';
import { Skills } from '../src/tools/skill-tools.js';
import { ToolRegistry } from '../src/tools/tool-registry.js';
import { createMailTools } from '../src/mail/mail-tools.js';
import { workspaceTools } from '../src/tools/workspace/index.js';
import { MCPClientManager } from '../src/mcp/mcp-client-manager.js';
import { WORKSPACE_TOOLS } from '../src/config/references.js';
import type { Agent } from '../src/contracts/agent.js';
import type { ResolvedConfig } from '../src/contracts/config.js';
import { PerduraError } from '../src/contracts/failures.js';
import { MESSAGE_TOOLS } from '../src/contracts/mail.js';
import { MEMORY_TOOLS } from '../src/contracts/memory.js';
import { ASK_USER } from '../src/contracts/requests.js';
import { SKILL_TOOLS } from '../src/contracts/skill.js';
import type { Tool, ToolLogger } from '../src/contracts/tool.js';
import type { LiveBus } from '../src/live/bus.js';
import { PostgresLiveBus } from '../src/live/postgres-bus.js';
import { openDatabase } from '../src/store/database.js';
import { checkReady } from '../src/store/readiness.js';
import { openStores, type Stores } from '../src/store/stores.js';
import { agentDirectory, providers } from './agent-directory.js';
import { hasSearchAttributes } from './search-attributes.js';
import { sessionSignals } from './session-signals.js';
import { PoolKeeper } from './pool-keeper.js';
import { RequestKeeper } from './request-keeper.js';
import { askedTools, createToolSource } from './tool-source.js';
import { subAgentClient } from './sub-agent-client.js';
import { vectorsOf } from './vectors.js';

export interface CompositionOptions {
  readonly config: ResolvedConfig;
  /** PostgreSQL with the schema of this version (see `migrate`). */
  readonly databaseUrl: string;
  /** Default over PostgreSQL, so that readers in other processes hear too. */
  readonly bus?: LiveBus;
  /** Tools that may change while the worker runs. Default: those of the configuration. */
  readonly registry?: ToolRegistry;
  readonly settings?: Partial<Omit<ActivitySettings, 'searchAttributes'>>;
  readonly log?: ToolLogger;
}

const DEFAULTS = {
  modelTimeoutMs: 600_000,
  heartbeatTimeoutMs: 5_000,
  maxModelAttempts: 6,
  historyLimit: 1_000,
  poolLeaseMs: 30_000,
} as const;

/** Of every worker that runs Perdura's activities. */
export const WORKER_DEFAULTS = {
  // What runs gets this long to end or to hand over.
  shutdownGraceTime: 10_000,
  shutdownForceTime: 25_000,
  // After a worker died, its sessions wait this long for it before another takes them.
  stickyQueueScheduleToStartTimeout: 2_000,
  maxHeartbeatThrottleInterval: 2_000,
} as const satisfies Partial<WorkerOptions>;

/**
 * Makes the activities, and what they hold: `close` gives it back. Rejects with `Store.Unavailable`,
 * `Store.NotMigrated` and `Store.TooNew`.
 */
export async function composeActivities(
  options: CompositionOptions & {
    readonly connection: NativeConnection;
    readonly namespace: string;
    /** Where sessions that a message starts will run. */
    readonly taskQueue: string;
  },
) {
  const { config, connection, namespace, taskQueue, log = SILENT } = options;
  const database = openDatabase(options.databaseUrl);
  await checkReady(database).catch(async (error: unknown) => {
    await database.close();
    throw error;
  });
  const bus: LiveBus = options.bus ?? new PostgresLiveBus(database);
  const signals = sessionSignals({ connection, namespace, taskQueue });
  const keeper = new PoolKeeper({ signals, log });
  const stores = openStores(database, {
    onAppend: (key, n) => bus.appended?.(key, n),
    onGranted: (grants) => keeper.tell(grants),
  });
  const registry = options.registry ?? new ToolRegistry(config.tools);
  const mcp = new MCPClientManager(config.mcp, { pins: stores.pins, log });
  const agents = agentDirectory({
    config,
    definitions: stores.definitions,
    hasTool: hasTool(config, registry),
  });
  const describe = agents.description;
  const vectors = vectorsOf({ config, database, words: stores.memory, log });
  const memory = vectors?.memory ?? stores.memory;
  const messages = createMailTools({
    stores,
    agent: (reference, tenant) => agents.get(reference, tenant),
    wake: (tenant, shard) => courierWaker({ signals }, tenant)(shard),
    isRunning: (key) => signals.isRunning(key),
  });
  const activities = createActivities({
    ...stores,
    memory,
    bus,
    agents,
    tools: toolsOfRuntime({
      config,
      registry,
      mcp,
      stores: { ...stores, memory },
      messages,
      describe,
      log,
    }),
    signals,
    subAgents: subAgentClient({ connection, namespace, taskQueue }),
    provider: providers(config),
    poolSeen: (pool) => keeper.watch([pool]),
    settings: {
      ...DEFAULTS,
      ...options.settings,
      searchAttributes: await hasSearchAttributes(connection, namespace),
    },
    log,
  });
  vectors?.backfill.start();
  const decisions = new RequestKeeper({ requests: stores.requests, signals, log });
  decisions.begin();
  const close = async () => {
    await vectors?.backfill.stop();
    await decisions.close();
    await keeper.close();
    await mcp.close();
    if (!options.bus) await bus.close();
    await database.close();
  };
  await keeper.begin(stores.pools, config.pools ?? []).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return { activities, registry, mcp, close };
}

/** The tools of agents, with those that the runtime gives them. */
export function toolsOfRuntime(parts: {
  readonly config: ResolvedConfig;
  readonly registry?: ToolRegistry;
  readonly mcp: MCPClientManager;
  readonly stores: Pick<Stores, 'artifacts' | 'memory'>;
  /** Tools for messages to other agents and people. */
  readonly messages: readonly Tool[];
  /** What an agent says it is for. */
  readonly describe?: (agent: string) => string | undefined;
  readonly log: ToolLogger;
}): ToolSource {
  const { config, registry = new ToolRegistry(config.tools), mcp, stores, messages, log } = parts;
  const { describe = () => undefined } = parts;
  const readArtifact = createArtifactTool(async (id, offset, length, context) => {
    const { content, bytes, mediaType } = await stores.artifacts.get(context, id);
    return { bytes: content.subarray(offset, offset + length), total: bytes, mediaType };
  });
  const skills = new Skills(config.skills);
  const memoryTools = createMemoryTools(stores.memory);
  const given = [
    memoryTools,
    (agent: Agent) => skills.tools(agent),
    (agent: Agent) => askedTools(messages, agent.messages),
    (agent: Agent) => agentTools(agent, describe),
  ];
  return createToolSource({
    registry,
    mcp,
    always: [readArtifact],
    given,
    named: [
      askUserTool(),
      ...(config.workspace === undefined ? [] : workspaceTools(config.workspace)),
    ],
    skills,
    describe,
    log,
  });
}

/** Tools of Perdura that an agent may list by name, besides those of a workspace. */
const OURS: readonly string[] = [
  READ_ARTIFACT,
  ...DELEGATING_TOOLS,
  ...MEMORY_TOOLS,
  ...SKILL_TOOLS,
  ...MESSAGE_TOOLS,
  ASK_USER,
];

/** Whether a worker of this configuration has a tool, of those that agents list one by one. */
export function hasTool(config: ResolvedConfig, registry: ToolRegistry): (name: string) => boolean {
  return (name) =>
    registry.get(name) !== undefined ||
    OURS.includes(name) ||
    (config.workspace !== undefined && WORKSPACE_TOOLS.includes(name as never));
}

/** Perdura's own would stand in its place, and nobody would see why it never runs. */
export function refuseTakenNames(where: string, yours: object | undefined, ours: object): void {
  const names = Object.keys(ours);
  const taken = Object.keys(yours ?? {}).filter((name) => names.includes(name));
  if (taken.length === 0) return;
  throw new PerduraError(
    'Config.Invalid',
    `${where}({ activities }) has ${taken.map((name) => `"${name}"`).join(', ')}, which Perdura has itself: give it another name, there and in the workflows that call it. Taken are: ${names.join(', ')}.`,
  );
}

const SILENT: ToolLogger = { debug() {}, info() {}, warn() {}, error() {} };
