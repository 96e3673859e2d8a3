/**
 * A worker in this process, a scripted model, a runtime that talks to them: what most
 * integration tests need. Each harness has a tenant and a task queue of its own.
 */
import { randomBytes } from 'node:crypto';
import { NativeConnection, Runtime, DefaultLogger } from '@temporalio/worker';
import { inject } from 'vitest';
import { createWorker, type PerduraWorker, type PerduraWorkerOptions } from '../../worker/create-worker.js';
import { buildBundle } from '../../worker/bundle.js';
import { AgentRuntime } from '../../src/client/agent-runtime.js';
import { DEFAULT_LIMITS, type Agent, type AgentLimits } from '../../src/contracts/agent.js';
import type { McpServer } from '../../src/contracts/mcp.js';
import type { Tool } from '../../src/contracts/tool.js';
import { migrate } from '../../src/store/migrate.js';
import { ScriptedModel } from '../../src/testing/scripted-model.js';

/** Workflows kept in memory; the whole suite also passes with 2. */
const CACHE = process.env.PERDURA_TEST_CACHED_WORKFLOWS;

export interface HarnessOptions {
  readonly agent?: Partial<Omit<Agent, 'limits'>> & { limits?: Partial<AgentLimits> };
  readonly agents?: readonly Agent[];
  readonly tools?: readonly Tool[];
  readonly mcp?: Readonly<Record<string, McpServer>>;
  readonly settings?: PerduraWorkerOptions['settings'];
  readonly worker?: PerduraWorkerOptions['worker'];
  readonly stallTimeoutMs?: number;
  readonly api?: 'chat' | 'responses';
  /** False: no worker runs until `startWorker`. */
  readonly start?: boolean;
}

let bundle: Promise<{ code: string }> | undefined;
let migrated: Promise<void> | undefined;

export class Harness {
  readonly model: ScriptedModel;
  readonly runtime: AgentRuntime;
  readonly tenant: string;
  readonly taskQueue: string;
  readonly #options: HarnessOptions;
  readonly #connection: NativeConnection;
  #running: { worker: PerduraWorker; done: Promise<void> } | undefined;

  private constructor(parts: {
    model: ScriptedModel;
    runtime: AgentRuntime;
    tenant: string;
    taskQueue: string;
    options: HarnessOptions;
    connection: NativeConnection;
  }) {
    this.model = parts.model;
    this.runtime = parts.runtime;
    this.tenant = parts.tenant;
    this.taskQueue = parts.taskQueue;
    this.#options = parts.options;
    this.#connection = parts.connection;
  }

  static async start(options: HarnessOptions = {}): Promise<Harness> {
    try {
      Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
    } catch {
      // Another harness of this process has installed it.
    }
    const databaseUrl = inject('databaseUrl');
    const address = inject('temporalAddress');
    migrated ??= migrate(databaseUrl);
    await migrated;
    const name = `t${randomBytes(6).toString('hex')}`;
    const [model, connection, runtime] = await Promise.all([
      ScriptedModel.start(),
      NativeConnection.connect({ address }),
      AgentRuntime.connect({
        temporalAddress: address,
        databaseUrl,
        tenant: name,
        taskQueue: name,
      }),
    ]);
    const harness = new Harness({
      model,
      runtime,
      tenant: name,
      taskQueue: name,
      options,
      connection,
    });
    if (options.start !== false) await harness.startWorker();
    return harness;
  }

  get worker(): PerduraWorker {
    if (!this.#running) throw new Error('No worker runs.');
    return this.#running.worker;
  }

  /** The model's own view of an agent named `assistant`. */
  agent(): Agent {
    const { limits, ...rest } = this.#options.agent ?? {};
    return {
      name: 'assistant',
      instructions: 'You are a test.',
      provider: 'default',
      model: 'gpt-test',
      temperature: 0.7,
      maxTokens: 1_024,
      tools: ['*'],
      mcp: Object.keys(this.#options.mcp ?? {}),
      unread: 'all',
      ...rest,
      limits: { ...DEFAULT_LIMITS, ...limits },
    };
  }

  async startWorker(): Promise<void> {
    bundle ??= buildBundle();
    const { tools = [], mcp = {}, settings, agents, stallTimeoutMs = 10_000, api = 'chat' } = this.#options;
    const worker = await createWorker({
      config: {
        agents: agents ?? [this.agent()],
        tools,
        mcp,
        providers: {
          default: { api, baseUrl: this.model.baseUrl, apiKey: 'test', stallTimeoutMs },
        },
      },
      connection: this.#connection,
      taskQueue: this.taskQueue,
      databaseUrl: inject('databaseUrl'),
      workflowBundle: await bundle,
      settings: { heartbeatTimeoutMs: 2_000, ...settings },
      worker: {
        shutdownGraceTime: 500,
        ...(CACHE ? { maxCachedWorkflows: Number(CACHE) } : {}),
        ...this.#options.worker,
      },
    });
    this.#running = { worker, done: worker.run() };
    this.#running.done.catch(() => undefined);
  }

  async stopWorker(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.worker.shutdown();
    await running?.done;
  }

  async stop(): Promise<void> {
    await this.stopWorker();
    await this.runtime.close();
    await this.#connection.close();
    await this.model.stop();
  }
}
