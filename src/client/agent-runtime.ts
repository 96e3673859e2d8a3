/**
 * The way into Perdura for an application: connect, start sessions, find them again.
 *
 *     const runtime = await AgentRuntime.connect();
 *     const session = await runtime.start({ agent: 'assistant' });
 *     const { text } = await session.ask('hello');
 *     await runtime.close(); // or `await using runtime = …`
 *
 * A runtime is the view of one tenant on connections, which views of other tenants can share.
 */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { Client } from '@temporalio/client';
import { PerduraError } from '../contracts/failures.js';
import {
  invalidSessionName,
  invalidTenant,
  isSessionName,
  isTenant,
  sessionOf,
  type SessionKey,
} from '../contracts/ids.js';
import { readContext, type ContextInput, type GivenContext } from '../contracts/runtime-context.js';
import { runName } from '../contracts/run-reference.js';
import type { OnParentEnd, SessionInput } from '../contracts/session.js';
import type { AgentState } from '../contracts/state.js';
import type { PoolLimits } from '../contracts/pool.js';
import type { PoolRecord } from '../store/pool-store.js';
import { GroupService, MessageService, type MailParts } from '../mail/index.js';
import { checkAnswers } from '../store/readiness.js';
import type { AgentVersionRecord } from '../store/agent-definitions.js';
import type { SessionRecord } from '../store/session-catalogue.js';
import { AgentFactory, type FactoryOptions } from './agent-factory.js';
import { AgentManager } from './agent-manager.js';
import { AgentPool, type PoolParts } from './agent-pool.js';
import { closedRuntime, Connections, type GivenConnections } from './connections.js';
import { discover, type EndpointOptions } from './endpoints.js';
import { Inbox } from './inbox.js';
import { onlyKnownFields } from './known-fields.js';
import { Memory } from './memory.js';
import { withId, type OutgoingMessage } from './outgoing-message.js';
import { reconcile } from './reconcile.js';
import { Session } from './session.js';
import { SessionManager } from './session-manager.js';
import { SessionWorkflow } from './session-workflow.js';
import { startSession } from './start-session.js';
import { stillRuns, tellDecided } from './tell-decided.js';
import { isRunning, wakeCourier } from './wake-courier.js';

/** What {@link AgentRuntime.connect} takes over the environment. */
export interface ConnectOptions extends EndpointOptions, GivenConnections {}

/** What a session is started with. */
export interface StartOptions {
  /** Default `assistant`. */
  readonly agent?: string;
  /** Of its definition. Default: the newest. A session that exists goes on with its own. */
  readonly version?: string;
  /** A name of 1 to 80 of `A-Z a-z 0-9 _ -`. A session that runs under it is used. Default: a new one. */
  readonly session?: string;
  readonly title?: string;
  /**
   * For whom the session runs: `{ user: 'alice', organisation: 'acme', metadata: { … } }`. Tools see
   * it as `context.runtime`; a memory is that of its user. It counts for the life of the session.
   */
  readonly context?: ContextInput;
  /** Name of the session whose child it is. */
  readonly parent?: string;
  /** What becomes of it when its parent ends. Default `end`. */
  readonly onParentEnd?: OnParentEnd;
  /** A first message; it is accepted when `start` resolves. */
  readonly message?: OutgoingMessage;
}

const START_FIELDS = [
  'agent',
  'version',
  'session',
  'title',
  'context',
  'parent',
  'onParentEnd',
  'message',
] as const satisfies readonly (keyof StartOptions)[];

/** Which sessions of the tenant. */
export interface SessionFilter {
  /** At most this many, the newest first. Default 50. */
  readonly limit?: number;
  readonly state?: AgentState;
  readonly agent?: string;
}

/** Whose view, and where its sessions run. */
interface View {
  readonly tenant: string;
  readonly taskQueue: string;
  /** The view that opened the connections closes them. */
  readonly owner: boolean;
}

export class AgentRuntime implements AsyncDisposable {
  readonly tenant: string;
  readonly taskQueue: string;
  /** What agents remember of users over sessions. */
  readonly memory: Memory;
  readonly #connections: Connections;
  readonly #owner: boolean;
  readonly #closing = new AbortController();
  /** Aborted when this view or its connections are closed. */
  readonly #closed: AbortSignal;

  private constructor(connections: Connections, { tenant, taskQueue, owner }: View) {
    if (!isTenant(tenant)) throw new PerduraError('Config.Invalid', invalidTenant(tenant));
    this.tenant = tenant;
    this.taskQueue = taskQueue;
    this.memory = new Memory(connections.stores, tenant);
    this.#connections = connections;
    this.#owner = owner;
    this.#closed = AbortSignal.any([this.#closing.signal, connections.closed]);
    // Every stream that is read listens to it, and there may be thousands.
    setMaxListeners(0, this.#closed);
  }

  /**
   * Connects to Temporal and PostgreSQL. Rejects with `Temporal.Unavailable`, `Config.Invalid`,
   * `Store.Unavailable`, `Store.NotMigrated` or `Store.TooNew`, which say what is missing.
   */
  static async connect(options: ConnectOptions = {}): Promise<AgentRuntime> {
    const endpoints = await discover(options);
    const { tenant, taskQueue } = endpoints;
    if (!isTenant(tenant)) throw new PerduraError('Config.Invalid', invalidTenant(tenant));
    const connections = await Connections.open(endpoints, options);
    return new AgentRuntime(connections, { tenant, taskQueue, owner: true });
  }

  /**
   * The view of another tenant on the same connections, so that one process serves many tenants
   * with one pool. Closing it ends the streams read from it, and closes no connection; it ends
   * with the runtime that was connected.
   */
  forTenant(tenant: string): AgentRuntime {
    return new AgentRuntime(this.#connections, { tenant, taskQueue: this.taskQueue, owner: false });
  }

  /** Temporal's own client, for what is not covered here. */
  get temporal(): Client {
    return this.#connections.client;
  }

  /** Messages between agents and people, of this tenant. */
  get messages(): MessageService {
    return new MessageService(this.#mailParts());
  }

  /** Groups of agents and people, of this tenant. */
  get groups(): GroupService {
    return new GroupService(this.#mailParts());
  }

  /**
   * Starts a session, or takes the one that runs under the name. With a message both happen
   * in one call to Temporal (update-with-start), so that no caller meets an empty session.
   * Rejects with `Session.Closed` when a session of that name has ended, with `Agent.Unknown` when
   * a worker does not know the agent (without a message, the first call to the session says so),
   * with `Config.Invalid` for an invalid name, with `Request.Invalid` for a context that is not valid
   * or that names another user than the session has, and with `Store.Unavailable` while the database is
   * down, since no worker could open the session.
   */
  async start(options: StartOptions = {}): Promise<Session> {
    onlyKnownFields('start', options, START_FIELDS);
    const { agent, version, title } = options;
    const key = this.#key(options.session ?? newSessionName());
    const context = contextOf(options.context);
    await checkAnswers(this.#connections.database);
    // Temporal forgets a workflow some time after its end; the catalogue does not.
    const record = options.session === undefined ? undefined : await this.#record(key);
    if (record?.state === 'terminated') {
      throw new PerduraError('Session.Closed', `Session ${key.session} has ended.`);
    }
    if (record && context?.user) await this.#checkUser(key, context.user.id);
    const family = options.parent === undefined ? {} : await this.#familyOf(options.parent);
    const input: SessionInput = {
      ...family,
      ...(options.onParentEnd === undefined ? {} : { onParentEnd: options.onParentEnd }),
      ...(agent === undefined ? {} : { agent }),
      ...(version === undefined ? {} : { version }),
      ...(title === undefined ? {} : { title }),
      ...(context ? { context } : {}),
    };
    const message = options.message === undefined ? undefined : withId(options.message);
    const session = this.#session(key);
    const workflow = new SessionWorkflow(this.#connections, key);
    await startSession(workflow, this.taskQueue, input, message).catch(async (error: unknown) => {
      // Temporal starts the workflow before the workflow can refuse the message. The caller did not
      // ask for a session without one, and does not know its name.
      const refused = error instanceof PerduraError && error.type.startsWith('Message.');
      if (refused && options.session === undefined) {
        await session.end(error.message).catch(() => undefined);
      }
      throw error;
    });
    return session;
  }

  /** A session by name, without looking whether there is one. */
  session(name: string): Session {
    return this.#session(this.#key(name));
  }

  /**
   * A session by its name, or by its workflow id where it was started by hand under an id of
   * another form. Does not say whether there is one: its `record()` does.
   */
  async find(name: string): Promise<Session> {
    const byWorkflow = sessionOf(name);
    const record =
      (await this.#record({ tenant: this.tenant, session: name })) ??
      (byWorkflow.tenant === this.tenant ? await this.#record(byWorkflow) : undefined);
    return record
      ? this.#session({ tenant: this.tenant, session: record.session }, record.workflowId)
      : this.session(name);
  }

  /** Sessions of the tenant, the newest first. */
  async sessions(filter: SessionFilter = {}): Promise<SessionRecord[]> {
    return this.#connections.stores.sessions.list(this.tenant, filter);
  }

  /**
   * Asks Temporal about those of these sessions that the catalogue does not list as ended, and
   * corrects the record of each whose workflow was ended from outside (terminated in the Temporal
   * UI, timed out, failed). Resolves with their names.
   */
  async reconcile(filter: SessionFilter = {}): Promise<string[]> {
    return reconcile(this.#connections, await this.sessions(filter));
  }

  /** Ends the streams that are read, and closes what `connect` opened. Sessions go on. */
  async close(): Promise<void> {
    this.#closing.abort(closedRuntime());
    if (this.#owner) await this.#connections.close();
  }

  /** `await using runtime = await AgentRuntime.connect()`: as `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What waits for a person: calls to approve, and questions of agents, of this tenant. */
  get inbox(): Inbox {
    const { client, stores } = this.#connections;
    return new Inbox({
      tenant: this.tenant,
      requests: stores.requests,
      tell: (request) => tellDecided(client, request),
      runs: (request) => stillRuns(client, request),
    });
  }

  #mailParts(): MailParts {
    const { tenant, taskQueue } = this;
    const { client, stores } = this.#connections;
    return {
      tenant,
      stores,
      wake: (shard) => wakeCourier(client, taskQueue, { tenant, shard }),
      isRunning: (session) => isRunning(client, { tenant, session }),
    };
  }

  /** A pool of agents, by its name. Whether there is one is seen when it is asked. */
  pool(name: string): AgentPool {
    return new AgentPool(this.#poolParts(), name);
  }

  /** Makes a pool at run time. Rejects with `Pool.Exists` and `Pool.Invalid`. */
  createPool(name: string, limits: PoolLimits): Promise<AgentPool> {
    return AgentPool.create(this.#poolParts(), name, limits);
  }

  /** All pools, by name. */
  pools(): Promise<PoolRecord[]> {
    return this.#connections.stores.pools.list();
  }

  #poolParts(): PoolParts {
    return { tenant: this.tenant, pools: this.#connections.stores.pools };
  }

  /** Makes agents at run time, which every worker of the tenant then knows. */
  factory(options: FactoryOptions = {}): AgentFactory {
    const { definitions, templates } = this.#connections.stores;
    return new AgentFactory({ ...options, tenant: this.tenant, definitions, templates });
  }

  /** The life cycle of the tenant's agents, which are its sessions. */
  manager(): AgentManager {
    return new AgentManager({ runtime: this, sessions: this.#connections.stores.sessions });
  }

  /** Sessions over their whole life: checkpoints, forks, what nobody uses any more. */
  sessionManager(): SessionManager {
    const { sessions, forks } = this.#connections.stores;
    return new SessionManager({ runtime: this, sessions, forks });
  }

  /** Versions of an agent that the store has, or of all agents; the newest first. */
  agentVersions(agent?: string): Promise<AgentVersionRecord[]> {
    return this.#connections.stores.definitions.versions(this.tenant, agent);
  }

  /** Parent and root of a child, as its input names them. */
  async #familyOf(parent: string): Promise<Pick<SessionInput, 'parent' | 'root'>> {
    const record = await this.#record(this.#key(parent));
    if (!record) {
      throw new PerduraError(
        'Session.NotFound',
        `There is no session "${parent}" to be the parent.`,
      );
    }
    const root = record.root ?? record.parent;
    return {
      parent: runName({ tenant: this.tenant, id: parent }),
      ...(root === undefined ? {} : { root }),
    };
  }

  #key(session: string): SessionKey {
    if (isSessionName(session)) return { tenant: this.tenant, session };
    throw new PerduraError('Config.Invalid', invalidSessionName(session));
  }

  #record({ tenant, session }: SessionKey): Promise<SessionRecord | undefined> {
    return this.#connections.stores.sessions.get(tenant, session);
  }

  /** What one user has said is not continued in the name of another. */
  async #checkUser(key: SessionKey, user: string): Promise<void> {
    const known = await this.#connections.stores.contexts.get(key);
    if (known?.user?.id === user) return;
    throw new PerduraError(
      'Request.Invalid',
      `Session ${key.session} ${known?.user ? 'belongs to another user than the context names' : 'was started without a user'}. Start another session for this user.`,
    );
  }

  #session(key: SessionKey, workflowId?: string): Session {
    return new Session(
      {
        connections: this.#connections,
        key,
        taskQueue: this.taskQueue,
        closed: this.#closed,
      },
      workflowId,
    );
  }
}

/** Throws `Request.Invalid` with all that is wrong. */
function contextOf(given: ContextInput | undefined): GivenContext | undefined {
  const { context, problems } = readContext(given);
  if (problems.length > 0) throw new PerduraError('Request.Invalid', problems.join(' '));
  return context;
}

/** `s-` and 80 random bits: not to be guessed, short enough to be typed. */
function newSessionName(): string {
  return `s-${randomBytes(10).toString('hex')}`;
}
