/** A worker in a process of its own, to be killed: the environment that it is started with. */
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { CACHED_WORKFLOWS_ENVIRONMENT } from './cached-workflows.js';

/** The servers of this run, the agents and tools of a configuration in `fixtures`. */
export function workerProcessEnvironment(of: {
  readonly modelUrl: string;
  /** Where its tools are counted. Default: nowhere, for tests that call none. */
  readonly ledgerUrl?: string;
  readonly taskQueue: string;
  /** Default `chaos.config.ts`. */
  readonly config?: string;
  /** Default: the database of this run. */
  readonly databaseUrl?: string;
}): Record<string, string | undefined> {
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
