/**
 * Runs `temporal server start-dev`: a whole Temporal server in one process, with its UI, and
 * with a database file, so that agents survive a restart of everything.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PerduraError } from '../contracts/failures.js';
import { freePort, saysPortTaken } from './free-port.js';
import { runGuarded } from './guarded-process.js';
import { askTemporal, localProfile } from '../config/temporal-profile.js';

/** The ports that everyone knows; others when these are taken. */
const PORT = 7233;
const UI_PORT = 8233;
/** The first start makes the schema of the database file. */
const START_TIMEOUT_MS = 60_000;

/** Settings of the server that make a turn cheaper. Reasons: docker/temporal-dynamicconfig.yaml. */
const DYNAMIC_CONFIG = [
  'system.enableActivityEagerExecution=true',
  'history.transferProcessorMaxPollRPS=2000',
];

export interface TemporalCliOptions {
  /** Path of the `temporal` executable. */
  readonly executable: string;
  readonly dataDir: string;
  readonly namespace: string;
  /** Custom search attributes to register: name to type (`Keyword`, `Int`, `Text`, …). */
  readonly searchAttributes?: Readonly<Record<string, string>>;
  readonly onOutput?: (text: string) => void;
}

export interface TemporalCliServer {
  readonly address: string;
  readonly uiUrl: string;
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

/** Starts it and resolves when its namespace answers. Throws `Stack.Unavailable`. */
export async function startTemporalCli(options: TemporalCliOptions): Promise<TemporalCliServer> {
  await mkdir(options.dataDir, { recursive: true, mode: 0o711 });
  // Once more with other ports when one was taken between our look and its start.
  const first = await tryStart(options, await freePort(PORT), await freePort(UI_PORT));
  if (typeof first !== 'string') return first;
  const second = saysPortTaken(first)
    ? await tryStart(options, await freePort(), await freePort())
    : first;
  if (typeof second !== 'string') return second;
  throw new PerduraError(
    'Stack.Unavailable',
    `\`${options.executable} server start-dev\` did not start:\n${second}\n` +
      `Correct what it reports (an old database file, ${databaseFile(options.dataDir)}, can be moved ` +
      'away), or set PERDURA_TEMPORAL=java-test-server, or TEMPORAL_ADDRESS.',
  );
}

/** The server, or why it did not start. */
async function tryStart(
  options: TemporalCliOptions,
  port: number,
  uiPort: number,
): Promise<TemporalCliServer | string> {
  const address = `127.0.0.1:${port}`;
  const server = runGuarded({
    command: options.executable,
    args: [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port)],
      ...['--ui-ip', '127.0.0.1', '--ui-port', String(uiPort)],
      ...['--db-filename', databaseFile(options.dataDir), '--namespace', options.namespace],
      ...['--log-level', 'error'],
      ...DYNAMIC_CONFIG.flatMap((each) => ['--dynamic-config-value', each]),
      ...Object.entries(options.searchAttributes ?? {}).flatMap(([name, type]) => [
        '--search-attribute',
        `${name}=${type}`,
      ]),
    ],
    stopSignal: 'TERM',
    onOutput: options.onOutput,
  });
  const profile = localProfile(address, options.namespace);
  const deadline = Date.now() + START_TIMEOUT_MS;
  let reason = '';
  while (Date.now() < deadline && !server.hasEnded()) {
    try {
      await askTemporal(profile, 1_000);
      const { ended } = server;
      return { address, uiUrl: `http://127.0.0.1:${uiPort}`, ended, stop: () => server.stop() };
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      await Promise.race([sleep(100), server.ended]);
    }
  }
  if (server.hasEnded()) reason = await server.ended;
  await server.stop();
  return `${reason}\n${server.lastOutput()}`.trim();
}

function databaseFile(dataDir: string): string {
  return join(dataDir, 'temporal.db');
}
