/** What `pg` and the network throw, in the terms of this project. */
import { PerduraError } from '../contracts/failures.js';

/**
 * Codes by which PostgreSQL or the network say: not now. Classes 08, 53 and 57 of its manual,
 * appendix A; 25006 is a standby that was promoted away, 55P03 a lock that another writer holds too
 * long, 58030 a disk that failed. A name that is not found (ENOTFOUND) is a container that is down.
 */
const NOT_NOW = /^(08|53|57P|25006|40001|40P01|55P03|58030)/;
const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
  'ENOENT',
  'EAI_AGAIN',
]);

/** Turns what `pg` throws into `Store.Unavailable` where waiting helps; returns the rest as it is. */
export function storeError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof PerduraError) return error;
  const code = codeOf(error);
  const unavailable =
    NOT_NOW.test(code) ||
    NETWORK.has(code) ||
    /Connection terminated|timeout exceeded when trying to connect|client has encountered a connection error/i.test(
      error.message,
    );
  return unavailable
    ? new PerduraError('Store.Unavailable', `PostgreSQL does not answer: ${reasonOf(error)}.`, {
        cause: error,
      })
    : error;
}

/** For a process that starts: names the database and why it cannot be used, whatever the reason is. */
export function unreachable({ url }: { readonly url: string }, error: unknown): PerduraError {
  const cause = error instanceof PerduraError ? (error.cause ?? error) : error;
  return new PerduraError(
    'Store.Unavailable',
    `No PostgreSQL answers at ${withoutSecrets(url)} (${reasonOf(cause)}).`,
    { cause },
  );
}

/** `host:port/database` of a URL, for people and logs. */
export function withoutSecrets(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return `${host}${pathname}`;
  } catch {
    return 'a DATABASE_URL that is no URL';
  }
}

/** Connecting to `localhost` tries two addresses, and fails with both reasons in one error. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** The SQLSTATE, or the code of the network's error; empty for none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : '';
}
