/** A session as a caller holds it: send, read, control. Keeps nothing itself. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { SessionEvent, StreamItem } from '../contracts/events.js';
import { PerduraError, type FailureType } from '../contracts/failures.js';
import { workflowIdOf, type SessionKey } from '../contracts/ids.js';
import type { StoredMessage, ToolCall } from '../contracts/message.js';
import { callPlaceOf } from '../contracts/places.js';
import type { GivenContext } from '../contracts/runtime-context.js';
import { clip } from '../contracts/text.js';
import {
  HANDLERS,
  STATUS_ANSWER,
  type Answer,
  type CallAnswer,
  type InterruptReceipt,
  type MoveReceipt,
  type MoveRequest,
  type SendReceipt,
  type SessionInput,
  type SessionStatus,
} from '../contracts/session.js';
import { answerOf, isTurnEnd, turnEndOf } from '../contracts/turn-end.js';
import type { SessionRecord } from '../store/session-catalogue.js';
import type { TranscriptRange } from '../store/stores.js';
import type { Connections } from './connections.js';
import { ServedTools, type ClientTools, type ServeOptions } from './client-tools.js';
import { streamEvents, type EventsOptions } from './event-stream.js';
import {
  checkSize,
  updateIdOf,
  withId,
  type OutgoingMessage,
  type SendOptions,
} from './outgoing-message.js';
import { SessionWorkflow } from './session-workflow.js';
import { startSession } from './start-session.js';
import { buildTimeline, type Timeline } from './timeline.js';
import { streamTree } from './tree-stream.js';
import { untilGone } from './until-gone.js';
import { healthOf, type WorkflowHealth } from './workflow-health.js';

/** What a session is made with. */
export interface SessionParts {
  readonly connections: Connections;
  readonly key: SessionKey;
  /** Where its workflow is started again when it is gone. */
  readonly taskQueue: string;
  /** Aborted when the runtime is closed. */
  readonly closed: AbortSignal;
}

/** Deadline for a status, ms. A worker may have to replay the history first. */
const STATUS_MS = 5_000;

/** The workflow hears so much later of the end of a turn than the store, at most, ms. */
const TURN_END_MS = 2_000;
const TURN_END_PAUSE_MS = 20;

/** What a closed workflow is called, of which a query is safe. */
const CLOSED: readonly FailureType[] = ['Session.Closed', 'Session.NoWorkflow', 'Session.NotFound'];

export class Session {
  readonly #parts: SessionParts;
  readonly #workflow: SessionWorkflow;
  /** Number of the last event that an `ask` has seen: the next one need not look for it. */
  #seen: number | undefined;

  constructor(parts: SessionParts, workflowId?: string) {
    this.#parts = parts;
    this.#workflow = new SessionWorkflow(parts.connections, parts.key, workflowId);
  }

  /** The session's name within its tenant. */
  get id(): string {
    return this.#parts.key.session;
  }

  get tenant(): string {
    return this.#parts.key.tenant;
  }

  get workflowId(): string {
    return this.#workflow.handle.workflowId;
  }

  /**
   * Hands a message over; resolves when it is accepted, which means: it will be in the
   * transcript once, in order, whatever dies. Sending again with the same id is safe: the
   * receipt says `duplicate`. A session whose workflow is gone (a Temporal server that kept it
   * in memory was restarted) is started again, where its transcript ends.
   *
   * While a turn is under way, `whileWorking` says what becomes of the message. Rejects with
   * `Session.Busy` where that is `reject`.
   */
  async send(message: OutgoingMessage, options: SendOptions = {}): Promise<SendReceipt> {
    const body = withId(message, options);
    const updateId = updateIdOf(body);
    const until = performance.now() + TURN_END_MS;
    for (;;) {
      try {
        return await this.#workflow.call((handle) =>
          handle.executeUpdate<SendReceipt, [unknown]>(HANDLERS.send, { args: [body], updateId }),
        );
      } catch (error) {
        // Who has read the answer of the last turn may come before its workflow knows of the end.
        const busy = error instanceof PerduraError && error.type === 'Session.Busy';
        if (busy && performance.now() < until && !(await this.#atWork())) {
          await sleep(TURN_END_PAUSE_MS);
          continue;
        }
        const input = await this.#inputToRevive(error);
        if (input === undefined) throw error;
        return (await startSession(this.#workflow, this.#parts.taskQueue, input, body))!;
      }
    }
  }

  /** Whether a turn is under way, as the store knows it, which hears first of its end. */
  async #atWork(): Promise<boolean> {
    return (await this.record())?.state !== 'idle';
  }

  /**
   * Hands a message over and waits for the answer of its turn. Waits on the events, not on
   * an update, of which Temporal allows only ten in flight. Rejects with the failure of the
   * turn, with `Turn.Interrupted`, with `Turn.RolledBack`, with `Session.Closed` when the session has ended, and with
   * `Session.NoWorkflow` when its workflow is gone; the last two take some seconds to notice
   * where the workflow was ended in Temporal.
   */
  async ask(
    message: OutgoingMessage,
    options: SendOptions & { readonly signal?: AbortSignal } = {},
  ): Promise<Answer> {
    const body = withId(message, options);
    if (typeof message !== 'string' && message.id !== undefined) {
      // An id of the caller's: the message may have been sent, and answered, before.
      await this.send(body);
      return this.answerTo(body.id, options);
    }
    const after = this.#seen ?? (await this.record())?.lastEvent ?? 0;
    await this.send(body);
    return this.#awaitAnswer(body.id, after, undefined, options);
  }

  /** The answer of the turn that took the message with this id. Rejects as `ask` does. */
  async answerTo(messageId: string, options: { signal?: AbortSignal } = {}): Promise<Answer> {
    const { connections, key } = this.#parts;
    // In this order: what is not in the store yet comes behind the last event.
    const last = (await this.record())?.lastEvent ?? 0;
    const known = await connections.stores.events.findMessage(key, messageId);
    return this.#awaitAnswer(messageId, known?.n ?? last, known?.turn, options);
  }

  /**
   * Resolves with the reason when the workflow of the session is gone, so that no answer can come;
   * with nothing once `signal` is aborted. For readers of `events()` who wait for an answer: asks
   * Temporal every 5 to 10 s. `ask` does this by itself.
   */
  untilGone(signal: AbortSignal): Promise<PerduraError | undefined> {
    return untilGone(this.#workflow, signal);
  }

  async #awaitAnswer(
    messageId: string,
    after: number,
    known: number | undefined,
    options: { signal?: AbortSignal },
  ): Promise<Answer> {
    let turn = known;
    let gone: PerduraError | undefined;
    const stop = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
    void this.untilGone(stop.signal).then((failure) => {
      gone = failure;
      if (failure) stop.abort();
    });
    try {
      for await (const item of this.events({ after, signal })) {
        if ('n' in item) this.#seen = Math.max(this.#seen ?? 0, item.n);
        if (item.type === 'message.accepted' && item.id === messageId) turn = item.turn;
        // Also when the message is known: one that the end found waiting has no turn.
        if (item.type === 'session.ended') throw this.#endedUnanswered(item.reason);
        if (isTurnEnd(item) && item.turn === turn) return answerOf(turnEndOf(item));
      }
    } finally {
      stop.abort();
    }
    options.signal?.throwIfAborted();
    this.#parts.closed.throwIfAborted();
    throw gone ?? this.#endedUnanswered();
  }

  /**
   * What happens in the session: durable events, numbered, and live deltas between them.
   * Resumes with the number of the last event seen; deltas that the reader has are not
   * repeated, those of a superseded attempt are announced. With `tree`, also those of all sessions
   * below it. The stream continues until the session has ended, the signal is aborted, or the runtime is closed.
   */
  async *events(options: EventsOptions = {}): AsyncGenerator<StreamItem, void, undefined> {
    const { connections, key, closed } = this.#parts;
    const signal = options.signal ? AbortSignal.any([options.signal, closed]) : closed;
    if (options.tree) {
      yield* streamTree(connections.hub, key, { ...options, signal });
      return;
    }
    const origin = { session: key.session, path: [] };
    const items = streamEvents(connections.hub, key, { ...options, signal });
    for await (const item of items) yield { ...item, ...origin };
  }

  /**
   * The messages of the session, oldest first. Turns that were rolled back are left out unless
   * `rolledBack` is set.
   */
  async transcript(range: TranscriptRange = {}): Promise<StoredMessage[]> {
    const { connections, key } = this.#parts;
    return connections.stores.transcripts.read(key.tenant, key.session, range);
  }

  /**
   * Pins a message by its place (`transcript()` has it): it stays in what the model sees, whole, also
   * when a summary covers it. Counts from the next model call on. Rejects with `Request.Invalid` for a
   * place without a message.
   */
  async pin(seq: number): Promise<void> {
    await this.#pin(seq, true);
  }

  async unpin(seq: number): Promise<void> {
    await this.#pin(seq, false);
  }

  async #pin(seq: number, pinned: boolean): Promise<void> {
    const { connections, key } = this.#parts;
    const { transcripts } = connections.stores;
    // PostgreSQL refuses a larger one, and such a place there is not.
    const valid = Number.isInteger(seq) && seq > 0 && seq < 2 ** 31;
    if (valid && (await transcripts.pin(key.tenant, key.session, seq, pinned))) return;
    throw new PerduraError(
      'Request.Invalid',
      `Session ${this.id} has no message at place ${String(seq)}.`,
    );
  }

  /** The turn under way ends at once; what was said and what it cost is kept. */
  async interrupt(reason?: string): Promise<InterruptReceipt> {
    checkSize('reason', reason ?? '');
    return this.#workflow.call((handle) =>
      handle.executeUpdate<InterruptReceipt, [{ reason?: string }]>(HANDLERS.interrupt, {
        args: [reason === undefined ? {} : { reason }],
      }),
    );
  }

  /**
   * Answers a waiting tool call (`run: 'client'` or `'workflow'`) with its result; `status().waiting`
   * and the event `tool.waiting` have its key. The first answer counts. Rejects with `Call.NotOpen`,
   * which says what became of the call, when it does not wait, and with `Message.TooLarge`.
   */
  async answer(call: string, output: unknown): Promise<void> {
    await this.#answer({ call, output });
  }

  /** Answers a waiting tool call with the reason why it has no result. The model sees the reason. */
  async refuse(call: string, reason: string): Promise<void> {
    await this.#answer({ call, error: reason });
  }

  /**
   * Runs client tools here: follows the events and answers each call of a tool that is named, also
   * those that wait already. A call is run once by this process, also over a reconnect, and answered
   * once whoever else serves; a process that dies before it has answered leaves the call to the next
   * one. Serves until it is stopped or the session ends.
   */
  serve(tools: ClientTools, options: ServeOptions = {}): ServedTools {
    const { connections, key, closed } = this.#parts;
    const signal = options.signal ? AbortSignal.any([options.signal, closed]) : closed;
    return new ServedTools(
      {
        lastTurnStart: async () => (await connections.stores.events.lastTurnStart(key))?.n,
        events: (range) => this.events(range),
        argumentsOf: async (call) => (await this.readCall(call)).arguments,
        answer: (answer) => this.#answer(answer),
      },
      tools,
      { ...options, signal },
    );
  }

  /**
   * The tool call with this key as the model made it, whether it waits or not: for arguments that are
   * too long for the event. Rejects with `Call.NotOpen` when the transcript has no such call.
   */
  async readCall(call: string): Promise<ToolCall> {
    const { message, index } = callPlaceOf(call) ?? { message: 0, index: 0 };
    const [row] = message > 0 ? await this.transcript({ after: message - 1, to: message }) : [];
    const calls = row?.message.role === 'assistant' ? row.message.toolCalls : undefined;
    const found = calls?.[index];
    if (found) return found;
    throw new PerduraError(
      'Call.NotOpen',
      `Session ${this.id} has no call "${clip(call, 100)}" in its transcript.`,
    );
  }

  async #answer(answer: CallAnswer): Promise<void> {
    const { output, error = output } = answer;
    checkSize('answer', typeof error === 'string' ? error : (JSON.stringify(error) ?? ''));
    // The same update when Temporal does not answer: the first one may have been taken.
    const updateId = `answer-${answer.call}-${randomUUID().slice(0, 8)}`;
    await this.#workflow.call((handle) =>
      handle.executeUpdate<unknown, [CallAnswer]>(HANDLERS.answer, { args: [answer], updateId }),
    );
  }

  /** The agent stops before its next step. Messages are still accepted. */
  async pause(): Promise<void> {
    await this.#workflow.call((handle) => handle.signal(HANDLERS.pause));
  }

  async resume(): Promise<void> {
    await this.#workflow.call((handle) => handle.signal(HANDLERS.resume));
  }

  /** Ends the session for good; its transcript stays. */
  async end(reason?: string): Promise<void> {
    await this.#workflow.call((handle) => handle.signal(HANDLERS.terminate, reason));
  }

  /** Wakes the agent once after `ms`, if nothing else does before. */
  async wakeUpAfter(ms: number): Promise<void> {
    await this.#workflow.call((handle) => handle.signal(HANDLERS.wakeUpAfter, ms));
  }

  /**
   * Moves the session to another agent, or to another version of its own: `latest` (default) is what the
   * workers have now. It moves when no turn is under way; `applied` is false where one is, which ends
   * with the agent that it has. Rejects with `Agent.Unknown`.
   */
  async move(request: MoveRequest = {}): Promise<MoveReceipt> {
    return this.#workflow.call((handle) =>
      handle.executeUpdate<MoveReceipt, [MoveRequest]>(HANDLERS.move, { args: [request] }),
    );
  }

  /** What the workflow itself says, now. Needs a worker. */
  async status(): Promise<SessionStatus> {
    // A call to a run that continues as new at this moment may find no run (Temporal's test
    // server never answers it); a second one reaches the next run.
    return this.#askStatus().catch((error: unknown) => {
      if (!(error instanceof PerduraError) || error.type !== 'Temporal.Unavailable') throw error;
      return this.#askStatus();
    });
  }

  /** By an update that is refused ({@link STATUS_ANSWER} says why), or of a workflow that is closed by a query. */
  async #askStatus(): Promise<SessionStatus> {
    const ask = <T>(call: (handle: WorkflowHandle) => Promise<T>) =>
      this.#workflow.call((handle) =>
        this.#parts.connections.client.withDeadline(Date.now() + STATUS_MS, () => call(handle)),
      );
    try {
      return await ask((handle) => handle.executeUpdate<SessionStatus, []>(HANDLERS.status));
    } catch (error) {
      const answer = answerIn(error);
      if (answer !== undefined) return answer;
      const closed = error instanceof PerduraError && CLOSED.includes(error.type);
      if (!closed && !isWithoutHandler(error)) throw error;
      return ask((handle) => handle.query<SessionStatus>(HANDLERS.status));
    }
  }

  /** What the catalogue says; `undefined` for a session that no worker has opened yet. */
  record(): Promise<SessionRecord | undefined> {
    return this.#workflow.record();
  }

  /** For whom the session runs; `undefined` where it was started without a context. */
  async context(): Promise<GivenContext | undefined> {
    const { connections, key } = this.#parts;
    return connections.stores.contexts.get(key);
  }

  /** The sessions below it, at any depth, the oldest first: its sub-agents, and theirs. */
  async below(): Promise<SessionRecord[]> {
    const { connections, key } = this.#parts;
    const root = (await this.record())?.root ?? `session/${key.session}`;
    return connections.stores.sessions.below(key.tenant, { name: key.session, root });
  }

  /** Turns, steps, attempts, tools and cost, in order. */
  async timeline(): Promise<Timeline> {
    const { connections, key } = this.#parts;
    const events: SessionEvent[] = [];
    for await (const item of this.events({ live: false })) if ('n' in item) events.push(item);
    const attempts = await connections.stores.attempts.list(key);
    return buildTimeline(this.id, events, attempts);
  }

  /**
   * Whether the workflow makes progress: a task that fails at each replay (code that does not
   * fit its history) is retried by Temporal without end, and counted here.
   */
  async health(): Promise<WorkflowHealth> {
    return this.#workflow.call((handle) => healthOf(this.#parts.connections.client, handle));
  }

  #endedUnanswered(reason?: string): PerduraError {
    const why = reason ? `: ${reason}` : '';
    return new PerduraError('Session.Closed', `Session ${this.id} ended before it answered${why}.`);
  }

  /** The input of a session that another message may start again; not one started by hand. */
  async #inputToRevive(error: unknown): Promise<SessionInput | undefined> {
    if (!(error instanceof PerduraError) || error.type !== 'Session.NoWorkflow') return undefined;
    if (this.workflowId !== workflowIdOf(this.#parts.key)) return undefined;
    const record = await this.record();
    if (!record) return undefined;
    const context = await this.context();
    return { agent: record.agent, ...(context ? { context } : {}) };
  }
}

/** The status in the refusal that answers the update. */
function answerIn(error: unknown): SessionStatus | undefined {
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  if (!(cause instanceof ApplicationFailure) || cause.type !== STATUS_ANSWER) return undefined;
  return cause.details?.[0] as SessionStatus;
}

/** Of a run that a worker of an earlier version has: it knows the query alone. */
function isWithoutHandler(error: unknown): boolean {
  return (
    error instanceof WorkflowUpdateFailedError &&
    error.cause instanceof ApplicationFailure &&
    error.cause.message.startsWith('No registered handler')
  );
}
