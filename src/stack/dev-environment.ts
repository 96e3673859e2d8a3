/** The settings by which the parts of a stack find each other. Starts nothing. */
import type { Settings } from '../config/environment.js';
import type { ResolvedDatabase } from './database.js';
import type { RunningStack } from './dev-lock.js';
import type { OfflineModel } from './offline-model.js';
import { variablesOf } from '../config/temporal-profile.js';
import type { ResolvedTemporal } from './temporal-server.js';

/** The settings of another process that is to use a stack that runs. */
export function settingsFor(settings: Settings, running: RunningStack): Settings {
  const profile = { address: running.temporalAddress, namespace: running.namespace };
  // TLS and keys of the user's own server stay; they are wrong for one that we started.
  const own = running.temporalKind === 'external' ? settings.temporalVariables : {};
  const { modelBaseUrl } = running;
  return {
    ...settings,
    temporalAddress: profile.address,
    temporalNamespace: profile.namespace,
    temporalVariables: {
      ...own,
      TEMPORAL_ADDRESS: profile.address,
      TEMPORAL_NAMESPACE: profile.namespace,
    },
    databaseUrl: running.databaseUrl,
    openai: modelBaseUrl
      ? { ...settings.openai, baseUrl: modelBaseUrl, apiKey: 'offline', offline: true }
      : settings.openai,
  };
}

/** A base URL without a key is a local model, which needs none. */
export function needsOfflineModel({ openai }: Settings): boolean {
  return openai.apiKey === undefined && openai.baseUrl === undefined;
}

/** Variables of a worker, on top of those of this process. */
export function workerEnvironment(
  settings: Settings,
  temporal: ResolvedTemporal,
  database: ResolvedDatabase,
  model: OfflineModel | undefined,
): Record<string, string | undefined> {
  return {
    ...(temporal.kind === 'external'
      ? { TEMPORAL_ADDRESS: temporal.address, TEMPORAL_NAMESPACE: temporal.namespace }
      : variablesOf(temporal, settings)),
    DATABASE_URL: database.url,
    PERDURA_DATA_DIR: settings.dataDir,
    PERDURA_TENANT: settings.tenant,
    PERDURA_TASK_QUEUE: settings.taskQueue,
    PERDURA_CONFIG: settings.configFile,
    PERDURA_OFFLINE_MODEL: model ? '1' : undefined,
    ...(model && { OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: 'offline' }),
  };
}
