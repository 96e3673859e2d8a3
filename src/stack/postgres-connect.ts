/** First contact with a PostgreSQL that was just started. Knows nothing of tables. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { GuardedProcess } from './guarded-process.js';

/** Undefined once it answers, else why it does not. */
export async function answers(
  connectionString: string,
  server: GuardedProcess,
  deadline: number,
): Promise<string | undefined> {
  let reason = 'it did not answer in time';
  while (Date.now() < deadline && !server.hasEnded()) {
    const client = new pg.Client({ connectionString, connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SELECT 1');
      return undefined;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      // 28P01: it answers, and the password is wrong. Waiting does not help.
      if ((error as { code?: string }).code === '28P01') return reason;
    } finally {
      await client.end().catch(() => undefined);
    }
    await Promise.race([sleep(25), server.ended]);
  }
  return server.hasEnded() ? await server.ended : reason;
}

/** Makes the database unless it is there. */
export async function createDatabase(connectionString: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const known = 'SELECT 1 FROM pg_database WHERE datname = $1';
    const { rowCount } = await client.query(known, [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}
