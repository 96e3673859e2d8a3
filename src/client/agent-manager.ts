/**
 * The life cycle of agents that run, which are sessions: start, pause, resume, terminate, list, find,
 * wait; who started whom, and what becomes of children when their parent ends. Reads the store, so it
 * sees every session of the tenant, whoever started it.
 */
import { PerduraError } from '../contracts/failures.js';
import { runName } from '../contracts/run-reference.js';
import type { AgentState } from '../contracts/state.js';
import type { SessionPage, SessionPageOptions, SessionRecord } from '../store/session-catalogue.js';
import type { Sessions } from '../store/stores.js';
import type { AgentRuntime, StartOptions } from './agent-runtime.js';
import type { Session } from './session.js';

/** Which agents, and which page of them. */
export type AgentFilter = Omit<SessionPageOptions, 'parent'> & {
  /** Children of the session of this name alone. */
  readonly parent?: string;
};

/** A session and those that it started, down to the last. */
export interface AgentTree {
  readonly agent: SessionRecord;
  readonly children: readonly AgentTree[];
}

export interface WaitOptions {
  /** `idle` (default): no turn is under way and no message waits; or the agent has ended. */
  readonly until?: 'idle' | 'ended';
  readonly signal?: AbortSignal;
}

/** What became of an agent that was terminated, and of its children. */
export interface Termination {
  /** Names of sessions that were told to end, the one that was named first. */
  readonly ended: readonly string[];
  /** Children that go on, with their parent from now on; `null` for none. */
  readonly kept: readonly { readonly session: string; readonly parent: string | null }[];
}

export interface ManagerParts {
  readonly runtime: AgentRuntime;
  readonly sessions: Sessions;
}

/** A tree deeper than this is a circle, which the store does not forbid. */
const DEEPEST = 64;

/** Made by `runtime.manager()`. */
export class AgentManager {
  readonly #parts: ManagerParts;

  constructor(parts: ManagerParts) {
    this.#parts = parts;
  }

  /** As `runtime.start`. With a `parent` it is a child of that session, which must be there. */
  start(options: StartOptions = {}): Promise<Session> {
    return this.#parts.runtime.start(options);
  }

  /** The session of that name, or of that workflow id. `undefined` where the store knows none. */
  async find(name: string): Promise<Session | undefined> {
    const session = await this.#parts.runtime.find(name);
    return (await session.record()) && session;
  }

  /** A page of agents, the newest first. `next` of one page is the `after` of the following one. */
  list({ parent, ...options }: AgentFilter = {}): Promise<SessionPage> {
    const { runtime, sessions } = this.#parts;
    return sessions.page(runtime.tenant, {
      ...options,
      ...(parent === undefined ? {} : { parent: this.#runName(parent) }),
    });
  }

  /** All of them, page by page. */
  async *all(
    filter: Omit<AgentFilter, 'after'> = {},
  ): AsyncGenerator<SessionRecord, void, undefined> {
    for (let after: string | undefined; ;) {
      const page = await this.list({ ...filter, ...(after === undefined ? {} : { after }) });
      yield* page.agents;
      if (page.next === undefined) return;
      after = page.next;
    }
  }

  async pause(name: string): Promise<void> {
    await (await this.#existing(name)).pause();
  }

  async resume(name: string): Promise<void> {
    await (await this.#existing(name)).resume();
  }

  /**
   * Ends an agent for good, and does with its children as each says (`onParentEnd`): those that end
   * take theirs with them. Safe to repeat: what was cut off is done then.
   */
  async terminate(name: string, reason?: string): Promise<Termination> {
    const session = await this.#existing(name);
    const ended: string[] = [];
    const kept: { session: string; parent: string | null }[] = [];
    await this.#end(session, reason, { ended, kept }, 0);
    return { ended, kept };
  }

  /**
   * Does with the children of agents that have ended by themselves as each says. Resolves with what was
   * done. For a job that runs now and then: a session that is ended from elsewhere asks nobody.
   */
  async settleOrphans(): Promise<Termination> {
    const { runtime, sessions } = this.#parts;
    const ended: string[] = [];
    const kept: { session: string; parent: string | null }[] = [];
    for (const parent of await sessions.endedParents(runtime.tenant)) {
      await this.#settleChildren(parent, 'its parent has ended', { ended, kept }, 0);
    }
    return { ended, kept };
  }

  /** Resolves with the record once the agent is idle or has ended. Rejects when the signal is aborted. */
  async wait(name: string, { until = 'idle', signal }: WaitOptions = {}): Promise<SessionRecord> {
    const session = await this.#existing(name);
    for (let pause = 50; ; pause = Math.min(2 * pause, 2_000)) {
      signal?.throwIfAborted();
      // In this order: an event that comes after is behind the last one of the record.
      const record = (await session.record())!;
      if (record.state === 'terminated') return record;
      if (until === 'idle' && isStill(record.state) && (await this.#isIdle(session))) {
        // A message may have come and gone between the two: what the store says then counts.
        const settled = (await session.record())!;
        if (isStill(settled.state)) return settled;
      }
      // Looked at again without an event too: the end of a turn is in the store before its workflow
      // has heard of it, and a state that was noted late is corrected in silence.
      const again = AbortSignal.timeout(pause);
      const stop = signal ? AbortSignal.any([signal, again]) : again;
      const events = session.events({ after: record.lastEvent, signal: stop });
      for await (const item of events) if (CHANGES.has(item.type)) break;
    }
  }

  /** Whose child it is; `undefined` for nobody's, and for a parent that is no session. */
  async parentOf(name: string): Promise<SessionRecord | undefined> {
    const { parent } = await this.#record(name);
    const session = parent === undefined ? undefined : sessionIn(parent);
    return session === undefined ? undefined : this.#look(session);
  }

  /** All children, the oldest last. */
  async childrenOf(name: string): Promise<SessionRecord[]> {
    const children: SessionRecord[] = [];
    for await (const child of this.all({ parent: name })) children.push(child);
    return children;
  }

  /** The agent and all below it. */
  async treeOf(name: string): Promise<AgentTree> {
    return this.#tree(await this.#record(name), 0);
  }

  async #tree(agent: SessionRecord, depth: number): Promise<AgentTree> {
    if (depth >= DEEPEST) return { agent, children: [] };
    const children = await this.childrenOf(agent.session);
    return {
      agent,
      children: await Promise.all(children.map((child) => this.#tree(child, depth + 1))),
    };
  }

  async #end(
    session: Session,
    reason: string | undefined,
    done: { ended: string[]; kept: { session: string; parent: string | null }[] },
    depth: number,
  ): Promise<void> {
    const record = (await session.record())!;
    if (record.state !== 'terminated') {
      await session.end(reason).catch((error: unknown) => {
        // It has ended meanwhile.
        if (!(error instanceof PerduraError) || error.type !== 'Session.Closed') throw error;
      });
      done.ended.push(session.id);
    }
    await this.#settleChildren(record, reason ?? 'its parent was ended', done, depth);
  }

  async #settleChildren(
    parent: SessionRecord,
    reason: string,
    done: { ended: string[]; kept: { session: string; parent: string | null }[] },
    depth: number,
  ): Promise<void> {
    if (depth >= DEEPEST) return;
    const { runtime, sessions } = this.#parts;
    for (const child of await this.childrenOf(parent.session)) {
      const { session, onParentEnd = 'end', state } = child;
      if (state === 'terminated') continue;
      if (onParentEnd === 'end') {
        const found = await runtime.find(session);
        await this.#end(found, reason, done, depth + 1);
        continue;
      }
      const next = onParentEnd === 'grandparent' ? (parent.parent ?? null) : null;
      const moved = await sessions.adopt(
        { tenant: runtime.tenant, session },
        { from: child.parent!, to: next },
      );
      if (moved) done.kept.push({ session, parent: next });
    }
  }

  async #isIdle(session: Session): Promise<boolean> {
    const { state, queued } = await session.status();
    return isStill(state) && queued === 0;
  }

  async #existing(name: string): Promise<Session> {
    const session = await this.find(name);
    if (session) return session;
    throw notFound(name);
  }

  async #record(name: string): Promise<SessionRecord> {
    const record = await (await this.#existing(name)).record();
    if (record) return record;
    throw notFound(name);
  }

  #look(session: string): Promise<SessionRecord | undefined> {
    return this.#parts.sessions.get(this.#parts.runtime.tenant, session);
  }

  #runName(session: string): string {
    return runName({ tenant: this.#parts.runtime.tenant, id: session });
  }
}

const CHANGES: ReadonlySet<string> = new Set([
  'turn.completed',
  'turn.failed',
  'turn.interrupted',
  'session.state',
  'session.ended',
]);

/** No turn is under way. */
function isStill(state: AgentState): boolean {
  return state === 'idle' || state === 'error';
}

/** The session of a run's name; `undefined` for another kind of run. */
function sessionIn(name: string): string | undefined {
  return name.startsWith('session/') ? name.slice('session/'.length) : undefined;
}

function notFound(name: string): PerduraError {
  return new PerduraError('Session.NotFound', `There is no session "${name.slice(0, 200)}".`);
}
