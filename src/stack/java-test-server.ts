/**
 * Starts Temporal's own Java test server: for machines that have Java and Maven but no way
 * to get the Temporal CLI. It keeps everything in memory, and it can skip time.
 */
import type { Settings } from '../config/environment.js';
import { PerduraError } from '../contracts/failures.js';
import { runGuarded } from './guarded-process.js';
import { LISTENING } from './java-test-server-launcher.js';
import { installTestServer } from './java-test-server-install.js';

/** JVM start, on a machine that is busy with other things. A quiet one needs 0.6 s. */
const START_TIMEOUT_MS = 60_000;

/** What the test server lacks, for people who wonder. */
export const TEST_SERVER_CANNOT = [
  'keep workflows when it stops (sessions are in PostgreSQL, and go on with their next message)',
  'list workflows, use search attributes or schedules, or register namespaces',
  'show the Temporal UI',
] as const;

export interface JavaTestServerOptions {
  readonly settings: Pick<Settings, 'cacheDir' | 'searchPath'>;
  /** Default: a free one that the system chooses. */
  readonly port?: number;
  readonly onOutput?: (text: string) => void;
}

export interface JavaTestServer {
  /** `127.0.0.1:port`. Any namespace name works on it, `default` too. */
  readonly address: string;
  /** Of the process group. */
  readonly pid: number;
  /** Why it ended. Never rejects. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts the server, after fetching it when it is not in the cache. Resolves when it accepts
 * connections. Throws `Stack.Unavailable` saying what is missing.
 */
export async function startJavaTestServer(options: JavaTestServerOptions): Promise<JavaTestServer> {
  const { java, javaArgs } = await installTestServer(options.settings);
  let output = '';
  let sawLine = () => undefined as void;
  const listening = new Promise<void>((resolve) => (sawLine = resolve));
  const server = runGuarded({
    command: java,
    args: [...javaArgs, String(options.port ?? 0)],
    stopSignal: 'TERM',
    onOutput: (text) => {
      output = (output + text).slice(-4_000);
      if (LISTENING.test(output)) sawLine();
      options.onOutput?.(text);
    },
  });
  const timer = setTimeout(() => server.kill(), START_TIMEOUT_MS);
  const failure = await Promise.race([listening, server.ended]);
  clearTimeout(timer);
  const port = LISTENING.exec(output)?.[1];
  if (failure !== undefined || port === undefined) {
    throw new PerduraError(
      'Stack.Unavailable',
      `Temporal's test server did not start (${failure ?? 'no port'}) on port ${options.port ?? 'any'}: ` +
        `${server.lastOutput() || 'it printed nothing'}\nIf the port is in use, choose another.`,
    );
  }
  return {
    address: `127.0.0.1:${port}`,
    pid: server.pid,
    ended: server.ended,
    // It has nothing to save.
    stop: () => server.stop(2_000),
  };
}

/**
 * Path of an executable for `TestWorkflowEnvironment.createTimeSkipping({ server: {
 * executable: { type: 'existing-path', path } } })`. Installs the server when needed.
 */
export async function javaTestServerExecutable(
  settings: Pick<Settings, 'cacheDir' | 'searchPath'>,
): Promise<string> {
  return (await installTestServer(settings)).wrapper;
}
