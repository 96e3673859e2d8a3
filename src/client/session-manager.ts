/**
 * Sessions over their whole life: made, found, kept under a name at a turn, gone on with from there, and
 * cleaned up when nobody has used them for long.
 *
 *     const sessions = runtime.sessionManager();
 *     await sessions.saveCheckpoint('notes', 'before the refactoring');
 *     const other = await sessions.resume('notes', 'before the refactoring');
 *
 * A fork shares the past of the session that it goes on from, which the store holds once. Neither sees
 * what the other one does from then on.
 */
import { randomBytes } from 'node:crypto';
import { PerduraError } from '../contracts/failures.js';
import { invalidSessionName, isSessionName, workflowIdOf } from '../contracts/ids.js';
import { wellFormed } from '../contracts/text.js';
import type { Checkpoint } from '../store/fork-store.js';
import type { SessionPage, SessionPageOptions, SessionRecord } from '../store/session-catalogue.js';
import type { Forks, Sessions } from '../store/stores.js';
import type { AgentRuntime, StartOptions } from './agent-runtime.js';
import { onlyKnownFields } from './known-fields.js';
import type { Session } from './session.js';

/** What a session manager is made of. */
export interface SessionManagerParts {
  readonly runtime: AgentRuntime;
  readonly sessions: Sessions;
  readonly forks: Forks;
}

/** Where a fork goes on, and as what. */
export interface ForkOptions {
  /** The last turn that it shares; 0 shares nothing. Default: the last one that has ended. */
  readonly turn?: number | undefined;
  /** In place of a turn: the name of a checkpoint of the session. */
  readonly checkpoint?: string | undefined;
  /** Name of the new session. Default: a new one. */
  readonly session?: string | undefined;
  readonly title?: string | undefined;
  /** Another agent goes on. Default: that of the session, in its version. */
  readonly agent?: string | undefined;
  /** Of that agent. Default: its newest. */
  readonly version?: string | undefined;
}

/** A name for a turn. */
export interface CheckpointOptions {
  /** Default: the last turn that has ended. */
  readonly turn?: number | undefined;
  /** For people, at most 500 characters. */
  readonly note?: string | undefined;
  readonly expiresAt?: Date | undefined;
}

/** What {@link SessionManager.cleanUp} removes. */
export interface CleanUpOptions {
  /** Ends sessions, no sub-agents, that nothing has happened in for so long, ms. Default: none. */
  readonly idleForMs?: number | undefined;
  /** Most sessions of one call. Default 1,000. */
  readonly limit?: number | undefined;
}

const FORK_FIELDS = ['turn', 'checkpoint', 'session', 'title', 'agent', 'version'] as const;
const MOST_NAME_UNITS = 100;
const MOST_NOTE_UNITS = 500;

export class SessionManager {
  readonly #parts: SessionManagerParts;

  constructor(parts: SessionManagerParts) {
    this.#parts = parts;
  }

  /** As `runtime.start`. */
  create(options: StartOptions = {}): Promise<Session> {
    return this.#parts.runtime.start(options);
  }

  /** The record of a session; `undefined` where there is none. */
  get(session: string): Promise<SessionRecord | undefined> {
    return this.#parts.sessions.get(this.#parts.runtime.tenant, named(session));
  }

  /** Sessions, the newest first, in pages. */
  list(options: SessionPageOptions = {}): Promise<SessionPage> {
    return this.#parts.sessions.page(this.#parts.runtime.tenant, options);
  }

  /**
   * Gives a turn of a session a name, which can be given again to another turn. Rejects with
   * `Session.NotFound`, and with `Fork.Invalid` for a turn that has not ended.
   */
  async saveCheckpoint(
    session: string,
    name: string,
    options: CheckpointOptions = {},
  ): Promise<Checkpoint> {
    const { note, expiresAt } = options;
    if (note !== undefined && note.length > MOST_NOTE_UNITS) {
      throw invalid(`The note may have ${MOST_NOTE_UNITS} characters.`);
    }
    const record = await this.get(session);
    if (!record) throw unknown(session);
    const last = record.state === 'running' ? record.turns - 1 : record.turns;
    const turn = options.turn ?? last;
    if (!Number.isInteger(turn) || turn < 0 || turn > last) throw notEnded(session, turn, last);
    return this.#parts.forks.save(this.#key(session), {
      name: checkpointName(name),
      turn,
      ...(note === undefined ? {} : { note: wellFormed(note) }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    });
  }

  /** Checkpoints that have not expired, the newest first: of a session, or of all. */
  checkpoints(session?: string, limit = 100): Promise<Checkpoint[]> {
    const { forks, runtime } = this.#parts;
    return forks.checkpoints(runtime.tenant, {
      ...(session === undefined ? {} : { session: named(session) }),
      limit,
    });
  }

  /** Answers with whether there was one. */
  removeCheckpoint(session: string, name: string): Promise<boolean> {
    return this.#parts.forks.removeCheckpoint(this.#key(session), checkpointName(name));
  }

  /** A new session that goes on from a checkpoint: {@link fork} by its name. */
  resume(session: string, checkpoint: string, options: Omit<ForkOptions, 'turn'> = {}) {
    return this.fork(session, { ...options, checkpoint });
  }

  /**
   * A new session that goes on from the end of a turn of another one. It runs with its first message.
   * With the name of a fork that was made from there it is that one, so that a repeated call makes none.
   * Rejects with `Session.NotFound`, with `Checkpoint.NotFound`, and with `Fork.Invalid` where the turn has
   * not ended or the name is taken.
   */
  async fork(from: string, options: ForkOptions = {}): Promise<Session> {
    onlyKnownFields('fork', options, FORK_FIELDS);
    const { runtime, forks } = this.#parts;
    const { tenant } = runtime;
    const { title, agent, version, checkpoint } = options;
    const session = named(options.session ?? `s-${randomBytes(10).toString('hex')}`);
    if (checkpoint !== undefined && options.turn !== undefined) {
      throw invalid('Give a turn or a checkpoint, not both.');
    }
    const saved =
      checkpoint === undefined
        ? undefined
        : await forks.checkpoint(this.#key(from), checkpointName(checkpoint));
    if (checkpoint !== undefined && !saved) {
      throw new PerduraError(
        'Checkpoint.NotFound',
        `Session ${from} has no checkpoint ${JSON.stringify(checkpoint.slice(0, MOST_NAME_UNITS))}.`,
      );
    }
    const turn = saved?.turn ?? options.turn;
    if (turn !== undefined && (!Number.isInteger(turn) || turn < 0)) {
      throw invalid(`The turn is ${turn}. Use a whole number, from 0.`);
    }
    const forked = await forks.fork({
      tenant,
      from: named(from),
      session,
      workflowId: workflowIdOf({ tenant, session }),
      ...(turn === undefined ? {} : { turn }),
      ...(checkpoint === undefined ? {} : { checkpoint }),
      ...(title === undefined ? {} : { title: wellFormed(title) }),
      ...(agent === undefined ? {} : { agent }),
      ...(agent === undefined || version === undefined ? {} : { version }),
    });
    if ('unknown' in forked) throw unknown(from);
    if ('last' in forked) throw notEnded(from, turn, forked.last);
    if ('taken' in forked) throw invalid(`There is another session "${session}".`);
    return runtime.session(session);
  }

  /**
   * Goes on from before a message, with other words in its place: a fork at the turn before it, which
   * gets this message. Rejects as {@link fork}, and with `Message.NotFound`.
   */
  async edit(
    from: string,
    message: string,
    text: string,
    options: Omit<ForkOptions, 'turn' | 'checkpoint'> = {},
  ): Promise<{ readonly session: Session; readonly id: string }> {
    const turn = await this.#turnOf(from, message);
    const session = await this.fork(from, { ...options, turn: turn - 1 });
    const { id } = await session.send(text);
    return { session, id };
  }

  /**
   * Removes checkpoints that have expired, and ends sessions that were idle for long. Answers with what it
   * has done; a session that begins to work meanwhile is left.
   */
  async cleanUp(
    options: CleanUpOptions = {},
  ): Promise<{ readonly checkpoints: number; readonly ended: readonly string[] }> {
    const { runtime, forks } = this.#parts;
    const { idleForMs, limit = 1_000 } = options;
    const checkpoints = await forks.removeExpired(runtime.tenant);
    if (idleForMs === undefined) return { checkpoints, ended: [] };
    if (!(idleForMs >= 0) || !Number.isFinite(idleForMs)) {
      throw invalid('"idleForMs" must be a number of ms.');
    }
    const ended: string[] = [];
    for (const session of await forks.idleSince(runtime.tenant, { ms: idleForMs, limit })) {
      const done = await runtime
        .session(session)
        .end('It was not used for long.')
        .then(
          () => true,
          () => false,
        );
      if (done) ended.push(session);
    }
    return { checkpoints, ended };
  }

  async #turnOf(session: string, id: string): Promise<number> {
    const transcript = await this.#parts.runtime.session(named(session)).transcript();
    const found = transcript.find(({ message }) => message.role === 'user' && message.id === id);
    if (found) return found.turn;
    throw new PerduraError(
      'Message.NotFound',
      `Session ${session} has no message ${JSON.stringify(id.slice(0, 128))} in a turn.`,
    );
  }

  #key(session: string) {
    return { tenant: this.#parts.runtime.tenant, session: named(session) };
  }
}

function named(session: string): string {
  if (isSessionName(session)) return session;
  throw new PerduraError('Config.Invalid', invalidSessionName(session));
}

function checkpointName(name: string): string {
  const fine =
    typeof name === 'string' &&
    name.trim() !== '' &&
    name.length <= MOST_NAME_UNITS &&
    !name.includes('\0') &&
    wellFormed(name) === name;
  if (fine) return name;
  throw invalid(`The name of a checkpoint is text of 1 to ${MOST_NAME_UNITS} characters.`);
}

function unknown(session: string): PerduraError {
  return new PerduraError('Session.NotFound', `There is no session ${session}.`);
}

function notEnded(session: string, turn: number | undefined, last: number): PerduraError {
  return invalid(
    `Turn ${turn ?? last + 1} of session ${session} has not ended. Its last turn that has is ${last}.`,
  );
}

function invalid(message: string): PerduraError {
  return new PerduraError('Fork.Invalid', message);
}
