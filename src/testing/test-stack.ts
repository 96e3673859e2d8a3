/**
 * Everything that an agent needs, for a test: servers, a worker in this process, a scripted
 * model, a runtime that talks to them. A stack has a tenant and a task queue of its own, so
 * that many share the servers.
 *
 *     await using stack = await startTestStack({ config });
 *     stack.model.enqueue('Hello.');
 *     const session = await stack.runtime.start();
 *     expect((await session.ask('hi')).text).toBe('Hello.');
 *
 * Without `await using`, `stack.stop()` ends it.
 */
import { randomBytes } from 'node:crypto';
import { NativeConnection, type WorkflowBundleOption } from '@temporalio/worker';
import { AgentRuntime } from '../client/agent-runtime.js';
import { completeAgent } from '../config/agent-schema.js';
import { defaultAgent } from '../config/default-agent.js';
import type { AgentDeclaration, PerduraConfig } from '../config/define-config.js';
import { poolsOf } from '../config/load-config.js';
import type { ResolvedConfig } from '../contracts/config.js';
import { OFFLINE_MODEL } from '../contracts/model-traits.js';
import { migrate } from '../store/migrate.js';
import { workflowBundle as builtBundle } from '../../worker/bundle.js';
import { installRuntime } from '../../worker/runtime.js';
import {
  createWorker,
  type PerduraWorker,
  type PerduraWorkerOptions,
} from '../../worker/create-worker.js';
import type { EmbeddingOptions } from '../contracts/embeddings.js';
import { startOfflineModel, type OfflineModel } from './offline-model.js';
import { ScriptedModel } from './scripted-model.js';
import { startTestServers, type TestServers, type TestServersOptions } from './test-servers.js';

export interface TestStackOptions extends TestServersOptions {
  /** Agents, tools and MCP servers. All of its providers are the model of `model`. */
  readonly config?: Pick<PerduraConfig, 'agents' | 'tools' | 'mcp' | 'pools'> & {
    /** As `resolveConfig` has read them. */
    readonly skills?: ResolvedConfig['skills'] | undefined;
  };
  /**
   * Who answers: `scripted` (default), what the test has written down, or `offline`, the rules
   * of the offline model, at no cost and without pauses.
   */
  readonly model?: 'scripted' | 'offline';
  /** Default: that of this build. Give your own when it has workflows of yours. */
  readonly workflowBundle?: WorkflowBundleOption;
  /** As for `createWorker`. */
  readonly settings?: PerduraWorkerOptions['settings'];
  /** As for `createWorker`. */
  readonly worker?: PerduraWorkerOptions['worker'];
  /** How the model is spoken to. Default `chat`. */
  readonly api?: 'chat' | 'responses';
  /** Silence of the model after which a call fails, ms. Default 10,000. */
  readonly stallTimeoutMs?: number;
  /** Memories get vectors of that model, where the database has pgvector. */
  readonly embeddings?: Partial<EmbeddingOptions>;
  /** False: no worker runs until `startWorker`. */
  readonly start?: boolean;
}

let bundle: Promise<WorkflowBundleOption> | undefined;
const migrated = new Map<string, Promise<void>>();

type Model = ScriptedModel | OfflineModel;

export class TestStack implements AsyncDisposable {
  readonly runtime: AgentRuntime;
  readonly temporalAddress: string;
  readonly databaseUrl: string;
  readonly #options: TestStackOptions;
  readonly #servers: TestServers;
  readonly #connection: NativeConnection;
  readonly #model: Model;
  #stopped: Promise<void> | undefined;
  #running: { worker: PerduraWorker; done: Promise<void> } | undefined;

  private constructor(
    options: TestStackOptions,
    servers: TestServers,
    parts: { model: Model; runtime: AgentRuntime; connection: NativeConnection },
  ) {
    this.runtime = parts.runtime;
    this.temporalAddress = servers.temporalAddress;
    this.databaseUrl = servers.databaseUrl;
    this.#options = options;
    this.#servers = servers;
    this.#connection = parts.connection;
    this.#model = parts.model;
  }

  /** See {@link startTestStack}. */
  static async start(options: TestStackOptions = {}): Promise<TestStack> {
    installRuntime('error');
    const servers = await startTestServers(options);
    try {
      const { temporalAddress: address, databaseUrl } = servers;
      const schema = migrated.get(databaseUrl) ?? migrate(databaseUrl);
      migrated.set(databaseUrl, schema);
      await schema;
      const name = `t${randomBytes(6).toString('hex')}`;
      const [model, connection, runtime] = await Promise.all([
        options.model === 'offline' ? startOfflineModel({ instant: true }) : ScriptedModel.start(),
        NativeConnection.connect({ address }),
        AgentRuntime.connect({
          temporalAddress: address,
          databaseUrl,
          tenant: name,
          taskQueue: name,
        }),
      ]);
      const stack = new TestStack(options, servers, { model, runtime, connection });
      if (options.start !== false) await stack.startWorker();
      return stack;
    } catch (error) {
      await servers.stop();
      throw error;
    }
  }

  /** The scripted model. Throws where the offline model answers. */
  get model(): ScriptedModel {
    if (this.#model instanceof ScriptedModel) return this.#model;
    throw new Error(
      "This stack was started with model: 'offline', which takes no script: leave that option out to write answers down.",
    );
  }

  get tenant(): string {
    return this.runtime.tenant;
  }

  get taskQueue(): string {
    return this.runtime.taskQueue;
  }

  get worker(): PerduraWorker {
    if (!this.#running) throw new Error('No worker runs.');
    return this.#running.worker;
  }

  async startWorker(): Promise<void> {
    const { workflowBundle, settings, worker: workerOptions } = this.#options;
    const worker = await createWorker({
      config: this.#config(),
      connection: this.#connection,
      taskQueue: this.taskQueue,
      databaseUrl: this.databaseUrl,
      workflowBundle: workflowBundle ?? (await (bundle ??= builtBundle())),
      settings: { heartbeatTimeoutMs: 2_000, ...settings },
      worker: { shutdownGraceTime: 500, ...workerOptions },
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

  /** Stops the worker, then everything else that was started. May be called again. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  /** As `stop`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<void> {
    await this.stopWorker();
    await this.runtime.close();
    await this.#connection.close();
    await this.#model.stop();
    await this.#servers.stop();
  }

  #config(): ResolvedConfig {
    const { config = {}, api = 'chat', stallTimeoutMs = 10_000, model } = this.#options;
    const offline = model === 'offline';
    const mcp = config.mcp ?? {};
    const declared: readonly AgentDeclaration[] = config.agents ?? [defaultAgent(Object.keys(mcp))];
    const agents = declared.map((agent) =>
      completeAgent(offline ? { ...agent, model: OFFLINE_MODEL } : agent, { model: 'gpt-test' }),
    );
    const { baseUrl } = this.#model;
    const { embeddings: asked } = this.#options;
    const embeddings = asked && {
      embeddings: { model: 'embedding-test', timeoutMs: 1_500, minSimilarity: 0.25, ...asked },
    };
    const provider = { api, baseUrl, apiKey: 'test', stallTimeoutMs, free: offline, ...embeddings };
    return {
      agents,
      tools: config.tools ?? [],
      ...(config.skills ? { skills: config.skills } : {}),
      ...poolsOf(config.pools),
      mcp,
      providers: Object.fromEntries(agents.map((agent) => [agent.provider, provider])),
    };
  }
}

/** Starts the servers that are not given (some seconds), and a worker. */
export function startTestStack(options: TestStackOptions = {}): Promise<TestStack> {
  return TestStack.start(options);
}
