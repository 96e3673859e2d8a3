/**
 * The way into Perdura for an application: connect, start sessions, find them again.
 *
 *     const runtime = await AgentRuntime.connect();
 *     const session = await runtime.start({ agent: 'assistant' });
 *     const { text } = await session.ask('hello');
 *     await runtime.close(); // or `await using runtime = …`
 */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { Client, Connection } from '@temporalio/client';
import { readSettings, type Settings } from '../config/environment.js';
import { localProfile, readTemporalProfile } from '../config/temporal-profile.js';
import { readRunningStack } from '../stack/dev-lock.js';
import { PerduraError } from '../contracts/failures.js';
import { isSessionName, noSessionName, sessionOf, type SessionKey } from '../contracts/ids.js';
import type { SessionInput } from '../contracts/session.js';
import type { AgentState } from '../contracts/state.js';
import type { LiveBus } from '../live/bus.js';
import { PostgresLiveBus } from '../live/postgres-bus.js';
import { openDatabase, type Database } from '../store/database.js';
import { EventLog } from '../store/event-log.js';
import { SessionCatalogue, type SessionRecord } from '../store/session-catalogue.js';
import { checkAnswers, checkReady } from '../store/readiness.js';
import { ReaderHub } from './reader-hub.js';
import { Session, withId, type OutgoingMessage } from './session.js';
import { startSession } from './start-session.js';

/** What {@link AgentRuntime.connect} takes over the environment. */
export interface ConnectOptions {
  /** Default: the standard environment, and behind it a `perdura dev` that runs here. */
  readonly temporalAddress?: string;
  readonly namespace?: string;
  readonly databaseUrl?: string;
  readonly tenant?: string;
  readonly taskQueue?: string;
  /** A connection of your own; it is not closed by `close()`. */
  readonly connection?: Connection;
  /** Default over PostgreSQL. The bus of an embedded worker, when it is in this process. */
  readonly bus?: LiveBus;
}

/** What a session is started with. */
export interface StartOptions {
  /** Default `assistant`. */
  readonly agent?: string;
  /** A name of 1 to 80 of `A-Z a-z 0-9 _ -`. A session that runs under it is used. Default: a new one. */
  readonly session?: string;
  readonly title?: string;
  /** A first message; then its receipt is on the session. */
  readonly message?: OutgoingMessage;
}

/** Where Temporal's own tools look. */
const DEFAULT_ADDRESS = '127.0.0.1:7233';

export class AgentRuntime implements AsyncDisposable {
  readonly tenant: string;
  readonly taskQueue: string;
  readonly #client: Client;
  readonly #database: Database;
  readonly #bus: LiveBus;
  readonly #hub: ReaderHub;
  readonly #closed = new AbortController();
  readonly #owned: { connection: boolean; bus: boolean };

  private constructor(parts: {
    client: Client;
    database: Database;
    bus: LiveBus;
    tenant: string;
    taskQueue: string;
    owned: { connection: boolean; bus: boolean };
  }) {
    this.tenant = parts.tenant;
    this.taskQueue = parts.taskQueue;
    this.#client = parts.client;
    this.#database = parts.database;
    this.#bus = parts.bus;
    this.#hub = new ReaderHub(new EventLog(parts.database), parts.bus);
    this.#owned = parts.owned;
    // Every stream that is read listens to it, and there may be thousands.
    setMaxListeners(0, this.#closed.signal);
  }

  /**
   * Connects to Temporal and PostgreSQL. Rejects with `Temporal.Unavailable`, `Config.Invalid`,
   * `Store.Unavailable`, `Store.NotMigrated` or `Store.TooNew`, which say what is missing.
   */
  static async connect(options: ConnectOptions = {}): Promise<AgentRuntime> {
    const settings = readSettings();
    const running = await runningStack(settings, options);
    const databaseUrl = options.databaseUrl ?? settings.databaseUrl ?? running?.databaseUrl;
    if (!databaseUrl) {
      throw new PerduraError(
        'Config.Invalid',
        'DATABASE_URL is not set, and no `perdura dev` runs in this folder: start one, or set DATABASE_URL to postgres://user:password@host:port/database.',
      );
    }
    const profile =
      readTemporalProfile(settings) ??
      localProfile(running?.temporalAddress ?? DEFAULT_ADDRESS, settings.temporalNamespace);
    const { namespace } = { ...profile, ...options };
    const address = options.temporalAddress ?? profile.address;
    const connection =
      options.connection ??
      (await Connection.connect({ ...profile.connection, address }).catch((error: unknown) => {
        throw new PerduraError(
          'Temporal.Unavailable',
          `No Temporal server answers at ${address}.`,
          {
            cause: error,
          },
        );
      }));
    const database = openDatabase(databaseUrl, { maxConnections: 5 });
    await checkReady(database).catch(async (error: unknown) => {
      await database.close();
      if (!options.connection) await connection.close();
      throw error;
    });
    return new AgentRuntime({
      client: new Client({ connection, namespace }),
      database,
      bus: options.bus ?? new PostgresLiveBus(database),
      tenant: options.tenant ?? settings.tenant,
      taskQueue: options.taskQueue ?? settings.taskQueue,
      owned: { connection: !options.connection, bus: !options.bus },
    });
  }

  /** Temporal's own client, for what is not covered here. */
  get temporal(): Client {
    return this.#client;
  }

  /**
   * Starts a session, or takes the one that runs under the name. With a message both happen
   * in one call to Temporal (update-with-start), so that no caller meets an empty session.
   * Rejects with `Session.Closed` when a session of that name has ended, with `Config.Invalid` for
   * a name that is none, and with
   * `Store.Unavailable` while the database is down: a session that nobody can open is not begun.
   */
  async start(options: StartOptions = {}): Promise<Session> {
    await checkAnswers(this.#database);
    const key = this.#key(options.session ?? newSessionName());
    const input: SessionInput = {
      ...(options.agent === undefined ? {} : { agent: options.agent }),
      ...(options.title === undefined ? {} : { title: options.title }),
    };
    const message = options.message === undefined ? undefined : withId(options.message);
    const session = this.#session(key);
    const starter = { client: this.#client, taskQueue: this.taskQueue };
    await startSession(starter, key, input, message).catch(async (error: unknown) => {
      // Temporal starts the workflow before that can refuse the message. Nobody asked for a session
      // without one, and nobody knows its name.
      const refused = error instanceof PerduraError && error.type.startsWith('Message.');
      if (refused && options.session === undefined) await session.end(error.message).catch(noop);
      throw error;
    });
    return session;
  }

  /** A session by name, without looking whether there is one. */
  session(name: string): Session {
    return this.#session(this.#key(name));
  }

  /**
   * A session by its name, or by its workflow id where it was started by hand under one of another
   * making. Does not say whether there is one: `record()` of it does.
   */
  async find(name: string): Promise<Session> {
    const catalogue = new SessionCatalogue(this.#database);
    const byWorkflow = sessionOf(name);
    const record =
      (await catalogue.get(this.tenant, name)) ??
      (byWorkflow.tenant === this.tenant
        ? await catalogue.get(this.tenant, byWorkflow.session)
        : undefined);
    return record
      ? this.#session({ tenant: this.tenant, session: record.session }, record.workflowId)
      : this.session(name);
  }

  /** Sessions of the tenant, the newest first. */
  async sessions(
    options: { limit?: number; state?: AgentState; agent?: string } = {},
  ): Promise<SessionRecord[]> {
    return new SessionCatalogue(this.#database).list(this.tenant, options);
  }

  /** Closes what `connect` opened. Sessions go on; streams that are read end. */
  async close(): Promise<void> {
    this.#closed.abort(
      new PerduraError(
        'Session.Closed',
        'The runtime was closed: connect again, and read on with the number of the last event.',
      ),
    );
    this.#hub.close();
    if (this.#owned.bus) await this.#bus.close();
    await this.#database.close();
    if (this.#owned.connection) await this.#client.connection.close();
  }

  /** `await using runtime = await AgentRuntime.connect()`: as `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #key(session: string): SessionKey {
    if (isSessionName(session)) return { tenant: this.tenant, session };
    throw new PerduraError('Config.Invalid', noSessionName(session));
  }

  #session(key: SessionKey, workflowId?: string): Session {
    const parts = {
      client: this.#client,
      taskQueue: this.taskQueue,
      database: this.#database,
      hub: this.#hub,
      key,
      closed: this.#closed.signal,
    };
    return new Session(parts, workflowId);
  }
}

function noop(): void {}

/** `s-` and 80 random bits: not to be guessed, short enough to be typed. */
function newSessionName(): string {
  return `s-${randomBytes(10).toString('hex')}`;
}

async function runningStack(settings: Settings, options: ConnectOptions) {
  const told =
    (options.temporalAddress ?? options.connection ?? settings.temporalAddress) &&
    (options.databaseUrl ?? settings.databaseUrl);
  return told ? undefined : readRunningStack(settings);
}
