/**
 * A Temporal server, wherever one can be had: the one that the user names, the `temporal`
 * command, the same command downloaded, Temporal's Java test server; the first that there is.
 */
import type { LocalTemporalKind, Settings } from '../config/environment.js';
import { PerduraError } from '../contracts/failures.js';
import { freePort, saysPortTaken } from './free-port.js';
import { startJavaTestServer, TEST_SERVER_CANNOT } from './java-test-server.js';
import { findExecutable } from './java-tools.js';
import { startTemporalCli } from './temporal-cli.js';
import { downloadTemporalCli } from './temporal-download.js';
import { askTemporal, localProfile, readTemporalProfile } from '../config/temporal-profile.js';
import type { TemporalProfile } from '../config/temporal-profile.js';

export type TemporalKind = 'external' | LocalTemporalKind;

export interface ResolveTemporalOptions {
  readonly settings: Settings;
  /** Registered with a server that is started: name to type (`Keyword`, `Int`, …). */
  readonly searchAttributes?: Readonly<Record<string, string>>;
  /** Told what takes long ("downloading …"). Must not throw. */
  readonly onProgress?: (text: string) => void;
  /** Gets the output of a server that is started. Must not throw. */
  readonly onOutput?: (text: string) => void;
}

/** A server that answers. */
export interface ResolvedTemporal extends TemporalProfile {
  readonly kind: TemporalKind;
  /** One line for people. */
  readonly describe: string;
  /** What this one cannot do, each completing "It cannot …". */
  readonly cannot: readonly string[];
  readonly uiUrl?: string;
  /** Why it ended, for a server that we started. Never rejects; never settles for others. */
  readonly ended: Promise<string>;
  /** Stops what was started; nothing for `external`. */
  stop(): Promise<void>;
}

const ALL: readonly TemporalKind[] = ['external', 'cli', 'download', 'java-test-server'];

/**
 * Finds or starts a server. Throws `Temporal.Unavailable` when the user names one and it
 * does not answer (nothing else is tried then), `Stack.Unavailable` with the reason of each
 * kind when there is none.
 */
export async function resolveTemporal(options: ResolveTemporalOptions): Promise<ResolvedTemporal> {
  const { temporalKind } = options.settings;
  const kinds = temporalKind ? [temporalKind] : ALL;
  const reasons: string[] = [];
  for (const kind of kinds) {
    const found = await WAYS[kind](options);
    if (typeof found !== 'string') return found;
    reasons.push(`- ${kind}: ${found}`);
  }
  throw new PerduraError(
    'Stack.Unavailable',
    `No Temporal server is available:\n${reasons.join('\n')}\nInstall the Temporal CLI ` +
      '(https://docs.temporal.io/cli), or Java 11 and Maven, or set TEMPORAL_ADDRESS.',
  );
}

/** Each gives a server, or says why it has none. */
const WAYS: Record<
  TemporalKind,
  (options: ResolveTemporalOptions) => Promise<ResolvedTemporal | string>
> = {
  external: async ({ settings }) => {
    const profile = readTemporalProfile(settings);
    if (!profile) return 'TEMPORAL_ADDRESS is not set, and temporal.toml names no address';
    const { version } = await askTemporal(profile);
    return {
      ...profile,
      kind: 'external',
      describe: `Temporal ${version || 'server'} at ${profile.address}, namespace ${profile.namespace}`,
      cannot: [],
      ended: new Promise(() => undefined),
      stop: () => Promise.resolve(),
    };
  },

  cli: async (options) => {
    const executable = await findExecutable('temporal', options.settings.searchPath);
    if (!executable) return '`temporal` is not on the PATH';
    return runCli('cli', executable, options);
  },

  download: async (options) => {
    const found = await downloadTemporalCli({
      settings: options.settings,
      onStart: () => options.onProgress?.('Downloading the Temporal CLI (once) …'),
    });
    if ('path' in found) return runCli('download', found.path, options);
    if (options.settings.temporalKind === undefined) {
      options.onProgress?.(`The Temporal CLI cannot be downloaded (${found.failure}).`);
    }
    return found.failure;
  },

  'java-test-server': async ({ settings, onOutput }) => {
    try {
      const shared = { settings, ...(onOutput && { onOutput }) };
      // Free for Node may be taken for Java: it does not bind while old connections of the port linger.
      const server = await startJavaTestServer({ ...shared, port: await freePort(7233) }).catch(
        (error: unknown) => {
          if (!saysPortTaken(error)) throw error;
          return startJavaTestServer(shared);
        },
      );
      return {
        ...localProfile(server.address, settings.temporalNamespace),
        kind: 'java-test-server',
        describe: `Temporal's Java test server at ${server.address} (in memory)`,
        cannot: TEST_SERVER_CANNOT,
        ended: server.ended,
        stop: server.stop,
      };
    } catch (error) {
      if (error instanceof PerduraError) return error.message;
      throw error;
    }
  },
};

async function runCli(
  kind: 'cli' | 'download',
  executable: string,
  { settings, searchAttributes, onOutput }: ResolveTemporalOptions,
): Promise<ResolvedTemporal> {
  const server = await startTemporalCli({
    executable,
    dataDir: settings.dataDir,
    namespace: settings.temporalNamespace,
    ...(searchAttributes && { searchAttributes }),
    ...(onOutput && { onOutput }),
  });
  return {
    ...localProfile(server.address, settings.temporalNamespace),
    kind,
    describe: `Temporal development server at ${server.address}, UI ${server.uiUrl}`,
    cannot: [
      'serve production: it is one process with SQLite, and every user of this machine may use it',
    ],
    uiUrl: server.uiUrl,
    ended: server.ended,
    stop: server.stop,
  };
}
