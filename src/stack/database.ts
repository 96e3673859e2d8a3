/**
 * The PostgreSQL to use: the one that `DATABASE_URL` names, else the built-in one, which is
 * started again when it dies. Knows nothing of tables.
 */
import pg from 'pg';
import type { Settings } from '../config/environment.js';
import { PerduraError } from '../contracts/failures.js';
import { reasonOf, withoutSecrets } from '../store/store-errors.js';
import { startPostgres } from './postgres.js';

export interface ResolvedDatabase {
  readonly kind: 'external' | 'built-in';
  /** With the password: never print it. */
  readonly url: string;
  /** One line for people, without the password. */
  readonly describe: string;
  /** Stops what was started; nothing for `external`. */
  stop(): Promise<void>;
  /** SIGKILL to the built-in server, which starts again: to try out a crash. */
  kill(): void;
}

export interface ResolveDatabaseOptions {
  readonly settings: Pick<Settings, 'databaseUrl' | 'dataDir'>;
  /** Told when the built-in server died and starts again, or cannot. Must not throw. */
  readonly onProgress?: (text: string) => void;
  readonly onOutput?: (text: string) => void;
}

/** Throws `Store.Unavailable` for a `DATABASE_URL` that does not answer, or `Stack.Unavailable`. */
export async function resolveDatabase(options: ResolveDatabaseOptions): Promise<ResolvedDatabase> {
  const { databaseUrl, dataDir } = options.settings;
  if (databaseUrl !== undefined) {
    const version = await askDatabase(databaseUrl);
    return {
      kind: 'external',
      url: databaseUrl,
      describe: `PostgreSQL ${version} at ${withoutSecrets(databaseUrl)}`,
      stop: () => Promise.resolve(),
      kill: () => undefined,
    };
  }

  const start = () =>
    startPostgres({ dataDir, ...(options.onOutput && { onOutput: options.onOutput }) });
  let stopping = false;
  let current = await start();
  const { url, describe } = current;
  const again = async (): Promise<void> => {
    for (;;) {
      const reason = await current.ended;
      if (stopping) return;
      options.onProgress?.(`PostgreSQL ended (${reason}); starting it again.`);
      current = await start();
      // Holders of the URL cannot learn of another.
      if (current.url !== url) throw new Error('its port was taken in the meantime');
    }
  };
  const watching = again().catch((error: unknown) => {
    options.onProgress?.(`PostgreSQL is not running (${String(error)}). Restart \`perdura dev\`.`);
  });
  return {
    kind: 'built-in',
    url,
    describe,
    stop: async () => {
      stopping = true;
      await current.stop();
      await watching;
      // It may have been starting again just then.
      await current.stop();
    },
    kill: () => current.kill(),
  };
}

/** Version of the server behind `url`. Throws `Store.Unavailable` saying what to check. */
export async function askDatabase(url: string, timeoutMs = 10_000): Promise<string> {
  const where = withoutSecrets(url);
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: timeoutMs });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    return rows[0]?.server_version.split(' ')[0] ?? 'unknown';
  } catch (error) {
    throw new PerduraError(
      'Store.Unavailable',
      `No PostgreSQL answers at ${where} (${reasonOf(error)}). Start it, or correct DATABASE_URL ` +
        '(postgres://user:password@host:port/database), or unset it and let `perdura dev` start one.',
      { cause: error },
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}
