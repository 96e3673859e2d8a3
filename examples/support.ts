/**
 * What the examples stand on, so that each runs with one command: servers, a model without a
 * key, a worker. With `perdura dev` in another terminal none of this is needed; an application
 * has what is here in its environment.
 *
 * Every worker that is started here has a task queue and a tenant of its own: examples share
 * servers and nothing else.
 */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { NativeConnection } from '@temporalio/worker';
import { startOfflineModel, startTestServers, type TestServersOptions } from 'perdura/testing';
import {
  installRuntime,
  createWorker,
  loadConfig,
  migrate,
  readRunningStack,
  readSettings,
} from 'perdura/worker';

export interface StackOptions {
  /** The `perdura.config.ts` of the example. Default: only the agent that is always there. */
  readonly config?: URL;
  /** `own`: the example runs its workers itself. */
  readonly worker?: 'own';
}

export interface ExampleStack extends AsyncDisposable {
  readonly temporalAddress: string;
  readonly databaseUrl: string;
  readonly taskQueue: string;
}

/**
 * Makes sure that everything runs, and puts into the environment where it is: from then on
 * `AgentRuntime.connect()` finds it, as it would in an application. Leaving the scope stops
 * what was started.
 */
export async function openStack(options: StackOptions = {}): Promise<ExampleStack> {
  const running = await readRunningStack(readSettings());
  if (running && !options.config && !options.worker && !namedServers().temporalAddress) {
    console.log('(Using the `perdura dev` that runs in this folder.)');
    const { temporalAddress, databaseUrl } = running;
    return {
      temporalAddress,
      databaseUrl,
      taskQueue: readSettings().taskQueue,
      async [Symbol.asyncDispose]() {},
    };
  }
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    const servers = await startTestServers(await findServers());
    stops.push(() => servers.stop());
    const model = await startOfflineModel();
    stops.push(() => model.stop());
    const name = `example-${randomBytes(6).toString('hex')}`;
    Object.assign(process.env, {
      TEMPORAL_ADDRESS: servers.temporalAddress,
      DATABASE_URL: servers.databaseUrl,
      PERDURA_TASK_QUEUE: name,
      PERDURA_TENANT: name,
      OPENAI_BASE_URL: model.baseUrl,
      OPENAI_API_KEY: 'offline',
      PERDURA_OFFLINE_MODEL: '1',
      ...(options.config && { PERDURA_CONFIG: fileURLToPath(options.config) }),
    });
    await migrate(servers.databaseUrl);
    if (options.worker !== 'own') stops.push(await startWorker(name, servers));
    return { ...servers, taskQueue: name, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Servers for `startTestStack`: those of the environment, those of `perdura dev`, or new ones. */
export async function findServers(): Promise<TestServersOptions> {
  const named = namedServers();
  const running = named.temporalAddress ? undefined : await readRunningStack(readSettings());
  const found = { ...running, ...named };
  if (!found.temporalAddress || !found.databaseUrl) {
    console.log('(No `perdura dev` runs here: starting servers for this example, some seconds.)');
  }
  return { temporalAddress: found.temporalAddress, databaseUrl: found.databaseUrl };
}

function namedServers(): TestServersOptions {
  const { temporalAddress, databaseUrl } = readSettings();
  return {
    ...(temporalAddress === undefined ? {} : { temporalAddress }),
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
  };
}

/** A worker in this process. Answers how to stop it. */
async function startWorker(
  taskQueue: string,
  servers: { temporalAddress: string; databaseUrl: string },
): Promise<() => Promise<void>> {
  installRuntime('error');
  const settings = readSettings();
  const connection = await NativeConnection.connect({ address: servers.temporalAddress });
  const worker = await createWorker({
    config: await loadConfig(settings),
    connection,
    taskQueue,
    databaseUrl: servers.databaseUrl,
    ...(settings.maxCachedWorkflows && {
      worker: { maxCachedWorkflows: settings.maxCachedWorkflows },
    }),
  });
  const running = worker.run();
  return async () => {
    worker.shutdown();
    await running;
    await connection.close();
  };
}
