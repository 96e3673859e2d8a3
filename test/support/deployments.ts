/** One tenant whose workers are deployed again and again, each time with another configuration. */
import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { NativeConnection } from '@temporalio/worker';
import { AgentRuntime } from '../../src/client/agent-runtime.js';
import type { Session } from '../../src/client/session.js';
import { completeAgent } from '../../src/config/agent-schema.js';
import type { AgentDeclaration } from '../../src/config/define-config.js';
import { SESSION_WORKFLOW } from '../../src/contracts/ids.js';
import type { Provider } from '../../src/contracts/llm.js';
import type { Tool } from '../../src/contracts/tool.js';
import { migrate } from '../../src/store/migrate.js';
import { replayHistory } from '../../src/testing/replay.js';
import { ScriptedModel } from '../../src/testing/scripted-model.js';
import { buildBundle } from '../../worker/bundle.js';
import { createWorker, type PerduraWorker } from '../../worker/create-worker.js';
import { installRuntime } from '../../worker/runtime.js';
import { CACHED_WORKFLOWS } from './cached-workflows.js';

export interface Deployment {
  readonly agents: readonly AgentDeclaration[];
  readonly tools?: readonly Tool[];
  readonly workspace?: string;
  readonly settings?: { readonly historyLimit?: number };
}

let bundle: Promise<{ code: string }> | undefined;

export class Deployments {
  readonly model: ScriptedModel;
  readonly runtime: AgentRuntime;
  readonly #connection: NativeConnection;
  readonly #first: Deployment;
  #running: { worker: PerduraWorker; done: Promise<void> } | undefined;

  private constructor(
    model: ScriptedModel,
    runtime: AgentRuntime,
    connection: NativeConnection,
    first: Deployment,
  ) {
    this.model = model;
    this.runtime = runtime;
    this.#connection = connection;
    this.#first = first;
  }

  /** What `first` sets beside agents and tools is kept by later deployments. */
  static async start(first: Deployment): Promise<Deployments> {
    installRuntime('error');
    await migrate(inject('databaseUrl'));
    const name = `t${randomBytes(6).toString('hex')}`;
    const [model, connection, runtime] = await Promise.all([
      ScriptedModel.start(),
      NativeConnection.connect({ address: inject('temporalAddress') }),
      AgentRuntime.connect({
        temporalAddress: inject('temporalAddress'),
        databaseUrl: inject('databaseUrl'),
        tenant: name,
        taskQueue: name,
      }),
    ]);
    const deployments = new Deployments(model, runtime, connection, first);
    await deployments.deploy(first);
    return deployments;
  }

  get tenant(): string {
    return this.runtime.tenant;
  }

  /** Stops the workers, and starts those of this configuration. */
  async deploy({
    agents,
    tools = [],
    workspace,
    settings = this.#first.settings,
  }: Deployment): Promise<void> {
    await this.#stopWorker();
    const provider: Provider = {
      api: 'chat',
      baseUrl: this.model.baseUrl,
      apiKey: 'test',
      stallTimeoutMs: 10_000,
    };
    const worker = await createWorker({
      config: {
        agents: agents.map((agent) => completeAgent(agent, { model: 'gpt-test' })),
        tools,
        mcp: {},
        ...(workspace === undefined ? {} : { workspace }),
        providers: { default: provider },
      },
      connection: this.#connection,
      taskQueue: this.runtime.taskQueue,
      databaseUrl: inject('databaseUrl'),
      workflowBundle: await (bundle ??= buildBundle()),
      settings: { heartbeatTimeoutMs: 2_000, ...settings },
      worker: { shutdownGraceTime: 500, ...CACHED_WORKFLOWS },
    });
    this.#running = { worker, done: worker.run() };
    this.#running.done.catch(() => undefined);
  }

  /** Starts the workflow of a session once more, as if Temporal had forgotten it. */
  async revive(session: Session, input: object = {}): Promise<void> {
    const { workflow } = this.runtime.temporal;
    await workflow.getHandle(session.workflowId).terminate('forgotten');
    await workflow.start(SESSION_WORKFLOW, {
      workflowId: session.workflowId,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      taskQueue: this.runtime.taskQueue,
      args: [input],
    });
  }

  /** Replays what the session's workflow has recorded in its newest run. */
  async replay(session: Session): Promise<void> {
    const handle = this.runtime.temporal.workflow.getHandle(session.workflowId);
    await replayHistory(await handle.fetchHistory(), {
      workflowBundle: await (bundle ??= buildBundle()),
    });
  }

  async stop(): Promise<void> {
    await this.#stopWorker();
    await this.runtime.close();
    await this.#connection.close();
    await this.model.stop();
  }

  async #stopWorker(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.worker.shutdown();
    await running?.done;
  }
}
