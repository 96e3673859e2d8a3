/**
 * Vitest's `globalSetup` for tests that need the real thing: one Temporal server and one
 * PostgreSQL for the whole run, or those that PERDURA_TEST_TEMPORAL_ADDRESS and
 * PERDURA_TEST_DATABASE_URL name. A test reads `inject('temporalAddress')` and
 * `inject('databaseUrl')`, and keeps to a tenant, task queue or database of its own.
 */
import type {} from 'vitest';
import type { TestProject } from 'vitest/node';
import { startTestServers } from '../../src/testing/test-servers.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** `host:port` of a Temporal server with the namespace `default`. */
    temporalAddress: string;
    /** A PostgreSQL; its user may create databases. */
    databaseUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await startTestServers({
    temporalAddress: process.env.PERDURA_TEST_TEMPORAL_ADDRESS,
    databaseUrl: process.env.PERDURA_TEST_DATABASE_URL,
  });
  project.provide('databaseUrl', servers.databaseUrl);
  project.provide('temporalAddress', servers.temporalAddress);
  return () => servers.stop();
}
