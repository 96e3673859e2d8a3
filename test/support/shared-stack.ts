/**
 * Vitest's `globalSetup` for tests that need the real thing: one Temporal server (the Java
 * test server, or the one that PERDURA_TEST_TEMPORAL_ADDRESS names) and one PostgreSQL for
 * the whole run. A test reads `inject('temporalAddress')` and `inject('databaseUrl')`, and
 * keeps to a tenant, task queue or database of its own.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {} from 'vitest';
import type { TestProject } from 'vitest/node';
import { readSettings } from '../../src/config/environment.js';
import { startJavaTestServer } from '../../src/stack/java-test-server.js';
import { startPostgres } from '../../src/stack/postgres.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** `host:port` of a Temporal server with the namespace `default`. */
    temporalAddress: string;
    /** A PostgreSQL; its user may create databases. */
    databaseUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'perdura-test-'));
  // mkdtemp makes 0700, which root's PostgreSQL, running as another account, cannot enter.
  await chmod(dataDir, 0o711);
  const given = process.env.PERDURA_TEST_TEMPORAL_ADDRESS;
  const starts = await Promise.allSettled([
    startPostgres({ dataDir }),
    given ? undefined : startJavaTestServer({ settings: readSettings() }),
  ]);
  const [postgres, temporal] = starts;
  const stop = async () => {
    await Promise.all(
      starts.map((each) => (each.status === 'fulfilled' ? each.value?.stop() : undefined)),
    );
    await rm(dataDir, { recursive: true, force: true });
  };
  if (postgres.status === 'rejected' || temporal.status === 'rejected') {
    await stop();
    throw postgres.status === 'rejected'
      ? postgres.reason
      : (temporal as PromiseRejectedResult).reason;
  }
  project.provide('databaseUrl', postgres.value.url);
  project.provide('temporalAddress', given ?? temporal.value!.address);
  return stop;
}
