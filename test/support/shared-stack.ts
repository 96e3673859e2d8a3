/**
 * Vitest's `globalSetup` for tests that need the real thing: one Temporal server and one
 * PostgreSQL for the whole run, or those that PERDURA_TEST_TEMPORAL_ADDRESS and
 * PERDURA_TEST_DATABASE_URL name. A test reads `inject('temporalAddress')` and
 * `inject('databaseUrl')`, and keeps to a tenant, task queue or database of its own. What only
 * a production server can show is `it.runIf(inject('production'))`, and says so in its title; so does
 * what needs pgvector.
 */
import type {} from 'vitest';
import type { TestProject } from 'vitest/node';
import { askTemporal, localProfile } from '../../src/config/temporal-profile.js';
import { startTestServers } from '../../src/testing/test-servers.js';
import { pgvectorFolder } from './vector-postgres.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** `host:port` of a Temporal server with the namespace `default`. */
    temporalAddress: string;
    /** A PostgreSQL; its user may create databases. */
    databaseUrl: string;
    /** Whether that Temporal is a production server, and not the Java test server. */
    production: boolean;
    /** Folder of a PostgreSQL with pgvector; empty where there is none. */
    pgvector: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await startTestServers({
    temporalAddress: process.env.PERDURA_TEST_TEMPORAL_ADDRESS,
    databaseUrl: process.env.PERDURA_TEST_DATABASE_URL,
  });
  const { version } = await askTemporal(localProfile(servers.temporalAddress, 'default'));
  // The test server has no version.
  const production = version !== '';
  console.log(
    production
      ? `On Temporal ${version} at ${servers.temporalAddress}; what skips time or is about the Java test server starts one.`
      : 'On the Java test server; tests of a production server are left out (PERDURA_TEST_TEMPORAL_ADDRESS).',
  );
  const pgvector = pgvectorFolder();
  if (pgvector === '') {
    console.log('No PostgreSQL with pgvector: its tests are left out (PERDURA_TEST_PGVECTOR).');
  }
  project.provide('pgvector', pgvector);
  project.provide('production', production);
  project.provide('databaseUrl', servers.databaseUrl);
  project.provide('temporalAddress', servers.temporalAddress);
  return () => servers.stop();
}
