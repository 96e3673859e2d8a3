/** Workers in processes of their own, to be killed. */
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { AgentRuntime } from '../../src/client/agent-runtime.js';
import { compiledModule } from '../../src/stack/compiled.js';
import { supervise, type SupervisedProcess } from '../../src/stack/process-supervisor.js';
import { CACHED_WORKFLOWS_ENVIRONMENT } from './cached-workflows.js';

/** What a worker process is started with. */
export interface WorkerProcessOptions {
  readonly modelUrl: string;
  /** Where its tools are counted. Default: nowhere, for tests that call none. */
  readonly ledgerUrl?: string;
  readonly taskQueue: string;
  /** Default `chaos.config.ts`. */
  readonly config?: string;
  /** Default: the database of this run. */
  readonly databaseUrl?: string;
}

/** Its environment: the servers of this run, the agents and tools of a configuration in `fixtures`. */
export function workerProcessEnvironment(
  of: WorkerProcessOptions,
): Record<string, string | undefined> {
  return {
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    TEMPORAL_NAMESPACE: 'default',
    DATABASE_URL: of.databaseUrl ?? inject('databaseUrl'),
    OPENAI_BASE_URL: of.modelUrl,
    OPENAI_API_KEY: 'test',
    CHAOS_LEDGER: of.ledgerUrl ?? 'http://127.0.0.1:9',
    PERDURA_CONFIG: fileURLToPath(
      new URL(`../fixtures/${of.config ?? 'chaos.config.ts'}`, import.meta.url),
    ),
    PERDURA_TASK_QUEUE: of.taskQueue,
    ...CACHED_WORKFLOWS_ENVIRONMENT,
  };
}

/** Workers of one task queue, each started again when it is killed, and a client whose sessions they run. */
export class WorkerProcesses {
  readonly workers: readonly SupervisedProcess[];
  readonly runtime: AgentRuntime;

  private constructor(workers: readonly SupervisedProcess[], runtime: AgentRuntime) {
    this.workers = workers;
    this.runtime = runtime;
  }

  /** @param of `tenant`: default the name of the task queue; `environment`: beside the usual one */
  static async start(
    of: WorkerProcessOptions & {
      readonly count?: number;
      readonly tenant?: string;
      readonly environment?: Readonly<Record<string, string>>;
    },
  ): Promise<WorkerProcesses> {
    const { taskQueue, count = 2, tenant = taskQueue, environment: more } = of;
    const environment = () => ({ ...workerProcessEnvironment(of), ...more });
    const module = compiledModule('worker/main.js');
    const workers = await Promise.all(
      Array.from({ length: count }, (_, n) =>
        supervise({ name: `worker-${n + 1}`, module, environment }),
      ),
    );
    const runtime = await AgentRuntime.connect({
      temporalAddress: inject('temporalAddress'),
      databaseUrl: of.databaseUrl ?? inject('databaseUrl'),
      tenant,
      taskQueue,
    });
    return new WorkerProcesses(workers, runtime);
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop()));
    await this.runtime.close();
  }
}
