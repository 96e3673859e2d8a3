/**
 * A Temporal server that the user names, by the standard variables (`TEMPORAL_ADDRESS`,
 * `TEMPORAL_API_KEY`, `TEMPORAL_TLS…`) or by `temporal.toml`; and whether a server answers.
 * Starts nothing.
 */
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { loadClientConfigProfile, toClientOptions } from '@temporalio/envconfig';
import type { Settings } from './environment.js';
import { PerduraError } from '../contracts/failures.js';

type ConnectionOptions = ReturnType<typeof toClientOptions>['connectionOptions'];

/** What a client or a worker needs to connect. */
export interface TemporalProfile {
  readonly address: string;
  readonly namespace: string;
  /** For `NativeConnection.connect` and `Connection.connect`: address, TLS, API key, headers. */
  readonly connection: ConnectionOptions & { readonly address: string };
  /** Whether it shows a server who we are: API key or client certificate. */
  readonly authenticated: boolean;
}

type ProfileSettings = Pick<Settings, 'temporalVariables' | 'temporalNamespace'>;

/** The server that the user names; undefined when none is. Throws `Config.Invalid`. */
export function readTemporalProfile(settings: ProfileSettings): TemporalProfile | undefined {
  try {
    const profile = loadClientConfigProfile({
      overrideEnvVars: { ...settings.temporalVariables },
    });
    if (!profile.address) return undefined;
    const { connectionOptions, namespace } = toClientOptions(profile);
    return {
      address: profile.address,
      namespace: namespace ?? settings.temporalNamespace,
      connection: { ...withoutUndefined(connectionOptions), address: profile.address },
      authenticated: Boolean(profile.apiKey ?? profile.tls?.clientCert),
    };
  } catch (error) {
    const file =
      settings.temporalVariables.TEMPORAL_CONFIG_FILE ??
      'temporal.toml in your configuration folder';
    throw new PerduraError(
      'Config.Invalid',
      `The Temporal settings cannot be used (variables TEMPORAL_…, ${file}): ` +
        `${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
}

/** The profile of a server that we started ourselves, without TLS. */
export function localProfile(address: string, namespace: string): TemporalProfile {
  return { address, namespace, connection: { address, tls: false }, authenticated: false };
}

/**
 * Variables for a child that is to use `profile`, and nothing that the user's shell or file
 * says besides: TLS meant for another server would keep it from a local one.
 */
export function variablesOf(
  profile: TemporalProfile,
  settings: Pick<Settings, 'temporalVariables' | 'dataDir'>,
): Record<string, string | undefined> {
  const cleared = Object.keys(settings.temporalVariables)
    .filter((name) => name.startsWith('TEMPORAL_'))
    .map((name) => [name, undefined] as const);
  return {
    ...Object.fromEntries(cleared),
    // A file that is missing counts as empty.
    TEMPORAL_CONFIG_FILE: join(settings.dataDir, 'no-temporal.toml'),
    TEMPORAL_ADDRESS: profile.address,
    TEMPORAL_NAMESPACE: profile.namespace,
  };
}

/** What a server says about itself. */
export interface TemporalAnswer {
  /** Empty for the test server. */
  readonly version: string;
}

/**
 * Asks the server for itself and for the namespace. Throws `Temporal.Unavailable` saying
 * which of the two is missing. Never retries.
 */
export async function askTemporal(
  { address, namespace, connection }: TemporalProfile,
  timeoutMs = 5_000,
): Promise<TemporalAnswer> {
  let open: Connection | undefined;
  try {
    open = await Connection.connect({ ...connection, connectTimeout: timeoutMs });
    const service = open.workflowService;
    return await open.withDeadline(Date.now() + timeoutMs, async () => {
      const { serverVersion } = await service.getSystemInfo({});
      await service.describeNamespace({ namespace });
      return { version: serverVersion ?? '' };
    });
  } catch (error) {
    throw explain(error, address, namespace);
  } finally {
    await open?.close().catch(() => undefined);
  }
}

function explain(error: unknown, address: string, namespace: string): PerduraError {
  const { code, details } = error as { code?: number; details?: string };
  const reason = details ?? (error instanceof Error ? error.message : String(error));
  // gRPC status codes: 5 not found, 7 permission denied, 16 unauthenticated.
  const text =
    code === 5
      ? `The Temporal server at ${address} has no namespace "${namespace}". Create it with ` +
        `\`temporal operator namespace create --address ${address} -n ${namespace}\`, or set TEMPORAL_NAMESPACE.`
      : code === 7 || code === 16
        ? `The Temporal server at ${address} denies access to namespace "${namespace}" (${reason}). ` +
          'Check TEMPORAL_API_KEY, or TEMPORAL_TLS_CLIENT_CERT_PATH and _KEY_PATH.'
        : `No Temporal server answers at ${address} (${reason}). Start it, or correct ` +
          'TEMPORAL_ADDRESS (or temporal.toml; TEMPORAL_TLS for a server with TLS), or unset it ' +
          'and let `perdura dev` start one.';
  return new PerduraError('Temporal.Unavailable', text, { cause: error });
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
}
