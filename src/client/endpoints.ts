/**
 * Which Temporal, which database, which tenant: from the caller's options, the environment, and
 * a `perdura dev` that runs in this folder, in this order. Connects to nothing.
 */
import { readSettings, type Settings } from '../config/environment.js';
import {
  localProfile,
  readTemporalProfile,
  type TemporalProfile,
} from '../config/temporal-profile.js';
import { PerduraError } from '../contracts/failures.js';
import { readRunningStack } from '../stack/dev-lock.js';
import type { GivenConnections } from './connections.js';

/** What a caller may name instead. */
export interface EndpointOptions {
  /** Default: the standard environment, and behind it a `perdura dev` that runs here. */
  readonly temporalAddress?: string;
  readonly namespace?: string;
  readonly databaseUrl?: string;
  readonly tenant?: string;
  readonly taskQueue?: string;
}

/** With a connection of the caller's own, Temporal need not be looked for. */
type DiscoverOptions = EndpointOptions & Pick<GivenConnections, 'connection'>;

/** Where everything is. */
export interface Endpoints {
  readonly temporal: Pick<TemporalProfile, 'address' | 'namespace' | 'connection'>;
  /** With the password: never print it. */
  readonly databaseUrl: string;
  readonly tenant: string;
  readonly taskQueue: string;
}

/** Where Temporal's own tools look. */
const DEFAULT_ADDRESS = '127.0.0.1:7233';

/** Rejects with `Config.Invalid` when no database is named and no `perdura dev` runs here. */
export async function discover(options: DiscoverOptions = {}): Promise<Endpoints> {
  const settings = readSettings();
  const running = await runningStack(settings, options);
  const databaseUrl = options.databaseUrl ?? settings.databaseUrl ?? running?.databaseUrl;
  if (!databaseUrl) {
    throw new PerduraError(
      'Config.Invalid',
      'DATABASE_URL is not set, and no `perdura dev` runs in this folder. Start one, or set DATABASE_URL to postgres://user:password@host:port/database.',
      { saysRemedy: true },
    );
  }
  const profile =
    readTemporalProfile(settings) ??
    localProfile(running?.temporalAddress ?? DEFAULT_ADDRESS, settings.temporalNamespace);
  const address = options.temporalAddress ?? profile.address;
  return {
    temporal: {
      address,
      namespace: options.namespace ?? profile.namespace,
      connection: { ...profile.connection, address },
    },
    databaseUrl,
    tenant: options.tenant ?? settings.tenant,
    taskQueue: options.taskQueue ?? settings.taskQueue,
  };
}

async function runningStack(settings: Settings, options: DiscoverOptions) {
  const named =
    (options.temporalAddress ?? options.connection ?? settings.temporalAddress) &&
    (options.databaseUrl ?? settings.databaseUrl);
  return named ? undefined : readRunningStack(settings);
}
