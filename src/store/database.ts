/** The connection to PostgreSQL and the types of its rows. Nothing else opens a pool. */
import { Kysely, PostgresDialect, type ColumnType, type Generated } from 'kysely';
import pg from 'pg';
import { PerduraError } from '../contracts/failures.js';

type Timestamp = ColumnType<Date, Date | undefined, Date>;

interface SessionsTable {
  tenant: string;
  session: string;
  workflow_id: string;
  agent: string;
  title: string | null;
  transcript: string;
  state: string;
  turn: number;
  head: number;
  failure: unknown;
  last_event: string;
  input_tokens: string;
  output_tokens: string;
  cached_tokens: string;
  cost_micros: string;
  created_at: Timestamp;
  updated_at: Timestamp;
}

interface MessagesTable {
  row_id: Generated<string>;
  tenant: string;
  transcript: string;
  seq: number;
  key: string;
  epoch: number;
  stage: string;
  turn: number;
  step: number;
  attempt: number;
  message_id: string | null;
  body: unknown;
  usage: unknown;
  at: Timestamp;
  superseded_at: Date | null;
}

interface EventsTable {
  tenant: string;
  session: string;
  n: string;
  key: string;
  type: string;
  body: unknown;
  message_row: string | null;
  at: Timestamp;
}

interface TranscriptsTable {
  tenant: string;
  transcript: string;
  session: string;
  /** Of the workflow that writes it. */
  run: string;
}

interface AttemptsTable {
  tenant: string;
  session: string;
  run: string;
  turn: number;
  step: number;
  stage: string;
  kind: string;
  attempt: number;
  model: string;
  outcome: string;
  failure: unknown;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  reasoning_tokens: number;
  cost_micros: string;
  estimated: boolean;
  started_at: Timestamp;
  ended_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
}

interface ToolRunsTable {
  tenant: string;
  session: string;
  key: string;
  name: string;
  effect: string;
  attempt: number;
  turn: number;
  step: number;
  outcome: string;
  failures: Generated<number>;
  deaths: Generated<number>;
  holder: string | null;
  failure: string | null;
  result: unknown;
  started_at: Timestamp;
  ended_at: ColumnType<Date | null, Date | null | undefined, Date | null>;
}

interface ArtifactsTable {
  tenant: string;
  artifact: string;
  session: string;
  media_type: string;
  bytes: number;
  content: Buffer;
  created_at: Timestamp;
}

interface SpillsTable {
  tenant: string;
  session: string;
  spill: string;
  messages: unknown;
  created_at: Timestamp;
}

interface McpPinsTable {
  tenant: string;
  server: string;
  tool: string;
  digest: string;
  accepted_at: Timestamp;
}

/** The tables, for Kysely. */
export interface Tables {
  'perdura.sessions': SessionsTable;
  'perdura.messages': MessagesTable;
  'perdura.events': EventsTable;
  'perdura.transcripts': TranscriptsTable;
  'perdura.attempts': AttemptsTable;
  'perdura.tool_runs': ToolRunsTable;
  'perdura.artifacts': ArtifactsTable;
  'perdura.spills': SpillsTable;
  'perdura.mcp_pins': McpPinsTable;
}

/** A pool and the query builder over it. */
export interface Database {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly db: Kysely<Tables>;
  close(): Promise<void>;
}

/** Opens a pool; connections are made when they are needed. `url` as PostgreSQL writes it. */
export function openDatabase(url: string, options: { maxConnections?: number } = {}): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.maxConnections ?? 10,
    connectionTimeoutMillis: 10_000,
    application_name: 'perdura',
  });
  // An idle connection that breaks (the server restarts) must not end the process; the next
  // query opens another and reports what it meets.
  pool.on('error', () => undefined);
  // Nor one that breaks while it is lent out, between two statements: the pool does not listen then.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return { url, pool, db, close: () => db.destroy() };
}

/**
 * Codes by which PostgreSQL or the network say: not now. Classes 08, 53 and 57 of its manual,
 * appendix A; 25006 is a standby that was promoted away, 58030 a disk that failed. A name that is
 * not found (ENOTFOUND) is a container that is down.
 */
const NOT_NOW = /^(08|53|57P|25006|40001|40P01|58030)/;
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

/** For whoever starts: names the database and why it cannot be used, whatever the reason is. */
export function unreachable({ url }: Database, error: unknown): PerduraError {
  return new PerduraError(
    'Store.Unavailable',
    `No PostgreSQL answers at ${withoutSecrets(url)} (${reasonOf(error)}).`,
    { cause: error },
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
