/**
 * What the measurements run on: a Temporal server, a PostgreSQL and a model server that both
 * sides share, and a client. Servers that the environment names are used as they are
 * (`TEMPORAL_ADDRESS`, `DATABASE_URL`); others are started and ended here.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode } from '@temporalio/worker';
import { AgentRuntime } from '../src/client/agent-runtime.js';
import { readSettings } from '../src/config/environment.js';
import { startJavaTestServer } from '../src/stack/java-test-server.js';
import { startPostgres } from '../src/stack/postgres.js';
import { migrate } from '../src/store/migrate.js';
import { buildBundle } from '../worker/bundle.js';
import { BenchProcess } from './child.js';
import type { ModelRequestLog } from './model-server.js';

export type Side = 'perdura' | 'baseline';

const WORKER_FILES = { perdura: './perdura-worker.ts', baseline: './baseline/worker.ts' } as const;
const BASELINE_WORKFLOW = fileURLToPath(new URL('./baseline/workflow.ts', import.meta.url));
const QUIET = {
  log() {},
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error: console.error,
} as never;

export interface Environment {
  readonly temporal: string;
  /** Whose server that is, for the report. */
  readonly temporalKind: string;
  readonly databaseUrl: string;
  readonly modelUrl: string;
  readonly client: Client;
  readonly runtime: AgentRuntime;
  readonly queues: Readonly<Record<Side, string>>;
  /** Our bundle, without its source map, bytes. */
  readonly bundleBytes: number;
  /** @param queue default: the one of the side; another keeps a measurement to itself */
  startWorker(side: Side, queue?: string, env?: Record<string, string>): Promise<BenchProcess>;
  /** A client of ours whose sessions go to another task queue. */
  runtimeOn(queue: string): Promise<AgentRuntime>;
  /** When the model was asked and had answered, since this was last called. */
  modelLog(): Promise<ModelRequestLog[]>;
  stop(): Promise<void>;
}

export async function startEnvironment(options: { profileDir?: string }): Promise<Environment> {
  const settings = readSettings();
  const folder = await mkdtemp(join(tmpdir(), 'perdura-bench-'));
  // mkdtemp makes 0700, which root's PostgreSQL, running as another account, cannot enter.
  await chmod(folder, 0o711);
  const closers: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })];
  let interrupted = false;
  let stopping: Promise<void> | undefined;
  const stop = () =>
    (stopping ??= (async () => {
      for (const close of closers.reverse()) await close();
    })());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupted = true;
      void stop().finally(() => process.exit(130));
    });
  }
  try {
    const model = await BenchProcess.start('./model-server.ts');
    closers.push(() => model.kill());
    const modelUrl = `http://127.0.0.1:${model.port}/v1`;
    const postgres = settings.databaseUrl
      ? undefined
      : await startPostgres({ dataDir: join(folder, 'data') });
    if (postgres) closers.push(() => postgres.stop());
    const databaseUrl = settings.databaseUrl ?? postgres!.url;
    await migrate(databaseUrl);
    const java = settings.temporalAddress ? undefined : await startJavaTestServer({ settings });
    if (java) closers.push(() => java.stop());
    const temporal = settings.temporalAddress ?? java!.address;
    const namespace = settings.temporalNamespace;

    const bundles = { perdura: join(folder, 'perdura.js'), baseline: join(folder, 'baseline.js') };
    const ours = (await buildBundle()).code;
    const theirs = await bundleWorkflowCode({ workflowsPath: BASELINE_WORKFLOW, logger: QUIET });
    await writeFile(bundles.perdura, ours);
    await writeFile(bundles.baseline, theirs.code);

    const connection = await Connection.connect({
      address: temporal,
      // The Java test server gives a history in one piece, and the baseline's has over 10 MB.
      channelArgs: { 'grpc.max_receive_message_length': 128 * 1024 * 1024 },
    });
    // Closed under a call that is being retried, it would throw where nobody catches.
    closers.push(() => interrupted || connection.close());
    const name = `bench-${randomBytes(4).toString('hex')}`;
    const queues = { perdura: `${name}-perdura`, baseline: `${name}-baseline` };
    const runtimes: AgentRuntime[] = [];
    closers.push(() => Promise.all(runtimes.map((each) => each.close())));
    const runtimeOn = async (taskQueue: string) => {
      const runtime = await AgentRuntime.connect({
        connection,
        namespace,
        databaseUrl,
        tenant: name,
        taskQueue,
      });
      runtimes.push(runtime);
      return runtime;
    };
    return {
      temporal,
      temporalKind: java ? 'Java test server' : 'TEMPORAL_ADDRESS',
      databaseUrl,
      modelUrl,
      client: new Client({ connection, namespace }),
      runtime: await runtimeOn(queues.perdura),
      queues,
      bundleBytes: Buffer.byteLength(withoutSourceMap(ours)),
      runtimeOn,
      stop,
      startWorker: async (side, queue = queues[side], more = {}) => {
        const env = {
          BENCH_TEMPORAL: temporal,
          BENCH_NAMESPACE: namespace,
          BENCH_TASK_QUEUE: queue,
          BENCH_MODEL_URL: modelUrl,
          BENCH_BUNDLE: bundles[side],
          DATABASE_URL: databaseUrl,
          ...more,
        };
        const profile = options.profileDir && join(options.profileDir, side);
        const worker = await BenchProcess.start(WORKER_FILES[side], env, profile);
        closers.push(() => worker.stop());
        return worker;
      },
      modelLog: async () => (await fetch(`${modelUrl}/log`)).json() as Promise<ModelRequestLog[]>,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The SDK's bundler puts the map into the code, for stack traces. */
function withoutSourceMap(code: string): string {
  return code.replace(/\n\/\/# sourceMappingURL=data:[^\n]*/g, '');
}
