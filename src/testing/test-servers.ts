/**
 * The servers that tests run on: a Temporal and a PostgreSQL of their own, in a folder that
 * goes with them. Real ones: what passes here passes in production.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '../config/environment.js';
import { startJavaTestServer } from '../stack/java-test-server.js';
import { startPostgres } from '../stack/postgres.js';
import { readTemporalProfile } from '../config/temporal-profile.js';

export interface TestServersOptions {
  /** Default TEMPORAL_ADDRESS; without that, Temporal's Java test server is started. */
  readonly temporalAddress?: string | undefined;
  /** Default: the built-in PostgreSQL is started. Its user may create tables. */
  readonly databaseUrl?: string | undefined;
}

export interface TestServers {
  /** `host:port`. The server has the namespace `default`. */
  readonly temporalAddress: string;
  readonly databaseUrl: string;
  /** Stops what was started, and removes its data. */
  stop(): Promise<void>;
}

/** Starts what is not given. Rejects with `Stack.Unavailable`; nothing is left running then. */
export async function startTestServers(options: TestServersOptions = {}): Promise<TestServers> {
  const settings = readSettings();
  const address = options.temporalAddress ?? readTemporalProfile(settings)?.address;
  const dataDir = options.databaseUrl === undefined ? await dataFolder() : undefined;
  const [postgres, temporal] = await Promise.allSettled([
    dataDir === undefined ? undefined : startPostgres({ dataDir }),
    address === undefined ? startJavaTestServer({ settings }) : undefined,
  ]);
  const stop = async () => {
    const started = [postgres, temporal].map(async (each) => {
      if (each.status === 'fulfilled') await each.value?.stop();
    });
    await Promise.allSettled(started);
    if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true });
  };
  if (postgres.status === 'rejected' || temporal.status === 'rejected') {
    await stop();
    throw [postgres, temporal].find((each) => each.status === 'rejected')!.reason;
  }
  return {
    databaseUrl: options.databaseUrl ?? postgres.value!.url,
    temporalAddress: address ?? temporal.value!.address,
    stop,
  };
}

async function dataFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'perdura-test-'));
  // mkdtemp makes 0700, which root's PostgreSQL, running as another account, cannot enter.
  await chmod(folder, 0o711);
  return folder;
}
