/** A session as a caller holds it: send, read, steer. Keeps nothing itself. */
import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { SessionEvent, StreamItem } from '../contracts/events.js';
import { PerduraError, type FailureType } from '../contracts/failures.js';
import { workflowIdOf, type SessionKey } from '../contracts/ids.js';
import {
  HANDLERS,
  type Answer,
  type InterruptReceipt,
  type SendReceipt,
  type SessionStatus,
} from '../contracts/session.js';
import { jsonBytes, MOST_MESSAGE_JSON_BYTES, type StoredMessage } from '../contracts/message.js';
import type { Database } from '../store/database.js';
import { AttemptLog } from '../store/attempts.js';
import { SessionCatalogue, type SessionRecord } from '../store/session-catalogue.js';
import { TranscriptStore } from '../store/transcript-store.js';
import { toClientError } from './client-errors.js';
import { streamEvents, type EventsOptions } from './event-stream.js';
import type { ReaderHub } from './reader-hub.js';
import { startSession, updateIdOf, type IdentifiedMessage, type Starter } from './start-session.js';
import { buildTimeline, type Timeline } from './timeline.js';

/** What a session is made with. */
export interface SessionParts extends Starter {
  readonly database: Database;
  /** Of the process: every stream shares it. */
  readonly hub: ReaderHub;
  readonly key: SessionKey;
  /** Aborted when the runtime is closed. */
  readonly closed: AbortSignal;
}

/** A message to an agent: text, or text with an id of the sender's making. */
export type OutgoingMessage =
  string | { readonly text: string; readonly id?: string; readonly from?: string };

/** Waits between attempts when Temporal does not take an update just now, ms. */
const BUSY_WAITS = [50, 100, 200, 400, 800, 1_600, 3_200] as const;

/**
 * Failures that pass: ten updates are in flight already; or the task that had this one failed, as a
 * task that continues as new does whenever a signal came meanwhile.
 */
const BUSY: readonly FailureType[] = ['Session.TooManyUpdates', 'Session.Stuck'];

/** A worker answers a query within milliseconds, or it has to replay the history first. */
const QUERY_MS = 5_000;

export class Session {
  readonly #parts: SessionParts;
  readonly #handle: WorkflowHandle;
  /** Number of the last event that an `ask` has seen: the next one need not look for it. */
  #seen: number | undefined;

  constructor(parts: SessionParts, workflowId = workflowIdOf(parts.key)) {
    this.#parts = parts;
    this.#handle = parts.client.workflow.getHandle(workflowId);
  }

  /** The session's name within its tenant. */
  get id(): string {
    return this.#parts.key.session;
  }

  get tenant(): string {
    return this.#parts.key.tenant;
  }

  get workflowId(): string {
    return this.#handle.workflowId;
  }

  /**
   * Hands a message over; resolves when it is accepted, which means: it will be in the
   * transcript once, in order, whatever dies. Sending again with the same id is safe: the
   * receipt says `duplicate`. A session whose workflow is gone (a Temporal server that kept it
   * in memory was restarted) is started again, where its transcript ends.
   */
  async send(message: OutgoingMessage): Promise<SendReceipt> {
    const body = withId(message);
    const updateId = updateIdOf(body);
    try {
      return await this.#call(() =>
        this.#handle.executeUpdate<SendReceipt, [unknown]>(HANDLERS.send, {
          args: [body],
          updateId,
        }),
      );
    } catch (error) {
      const agent = await this.#agentToRevive(error);
      if (agent === undefined) throw error;
      return (await startSession(this.#parts, this.#parts.key, { agent }, body))!;
    }
  }

  /**
   * Hands a message over and waits for the answer of its turn. Waits on the events, not on
   * an update, of which Temporal allows only ten in flight. Rejects with the failure of the
   * turn, or with `Turn.Interrupted`.
   */
  async ask(message: OutgoingMessage, options: { signal?: AbortSignal } = {}): Promise<Answer> {
    const body = withId(message);
    if (typeof message !== 'string' && message.id !== undefined) {
      // An id of the caller's: the message may have been sent, and answered, before.
      await this.send(body);
      return this.answerTo(body.id, options);
    }
    const after = this.#seen ?? (await this.record())?.lastEvent ?? 0;
    await this.send(body);
    return this.#awaitAnswer(body.id, after, undefined, options);
  }

  /** The answer of the turn that took the message with this id. */
  async answerTo(messageId: string, options: { signal?: AbortSignal } = {}): Promise<Answer> {
    const { hub, key } = this.#parts;
    // In this order: what is not in the store yet comes behind the last event.
    const last = (await this.record())?.lastEvent ?? 0;
    const known = await hub.events.findMessage(key, messageId);
    return this.#awaitAnswer(messageId, known?.n ?? last, known?.turn, options);
  }

  async #awaitAnswer(
    messageId: string,
    after: number,
    known: number | undefined,
    options: { signal?: AbortSignal },
  ): Promise<Answer> {
    let turn = known;
    for await (const item of this.events({ after, ...options })) {
      if ('n' in item) this.#seen = Math.max(this.#seen ?? 0, item.n);
      if (item.type === 'message.accepted' && item.id === messageId) turn = item.turn;
      // Also when the message is known: one that the end found waiting has no turn.
      if (item.type === 'session.ended') break;
      const ending = turn !== undefined ? endOf(item, turn) : undefined;
      if (ending) return ending;
    }
    options.signal?.throwIfAborted();
    this.#parts.closed.throwIfAborted();
    throw new PerduraError('Session.Closed', `Session ${this.id} ended before it answered.`);
  }

  /**
   * What happens in the session: durable events, numbered, and live deltas between them.
   * Resumes with the number of the last event seen; deltas that the reader has are not
   * repeated, those of a superseded attempt are announced. It goes on until the session has
   * ended, the signal is aborted, or the runtime is closed.
   */
  events(options: EventsOptions = {}): AsyncGenerator<StreamItem, void, undefined> {
    const { hub, key, closed } = this.#parts;
    const signal = options.signal ? AbortSignal.any([options.signal, closed]) : closed;
    return streamEvents(hub, key, { ...options, signal });
  }

  /** The messages of the session, oldest first. */
  async transcript(range: { after?: number; to?: number } = {}): Promise<StoredMessage[]> {
    const { database, key } = this.#parts;
    return new TranscriptStore(database).read(key.tenant, key.session, range);
  }

  /** The turn under way ends at once; what was said and what it cost is kept. */
  async interrupt(reason?: string): Promise<InterruptReceipt> {
    return this.#call(() =>
      this.#handle.executeUpdate<InterruptReceipt, [{ reason?: string }]>(HANDLERS.interrupt, {
        args: [reason === undefined ? {} : { reason }],
      }),
    );
  }

  /** The agent stops before its next step. Messages are still accepted. */
  async pause(): Promise<void> {
    await this.#call(() => this.#handle.signal(HANDLERS.pause));
  }

  async resume(): Promise<void> {
    await this.#call(() => this.#handle.signal(HANDLERS.resume));
  }

  /** Ends the session for good; its transcript stays. */
  async end(reason?: string): Promise<void> {
    await this.#call(() => this.#handle.signal(HANDLERS.terminate, reason));
  }

  /** Wakes the agent once after `ms`, if nothing else does before. */
  async wakeUpAfter(ms: number): Promise<void> {
    await this.#call(() => this.#handle.signal(HANDLERS.wakeUpAfter, ms));
  }

  /** What the workflow itself says, now. Needs a worker. */
  async status(): Promise<SessionStatus> {
    const query = () =>
      this.#parts.client.withDeadline(Date.now() + QUERY_MS, () =>
        this.#handle.query<SessionStatus>(HANDLERS.status),
      );
    // A question to a run that continues as new at this moment may find nobody (Temporal's test
    // server never answers it); asked again it goes to the next run.
    return this.#call(query).catch((error: unknown) => {
      if (!(error instanceof PerduraError) || error.type !== 'Temporal.Unavailable') throw error;
      return this.#call(query);
    });
  }

  /** What the catalogue says; `undefined` for a session that no worker has opened yet. */
  async record(): Promise<SessionRecord | undefined> {
    const { database, key } = this.#parts;
    return new SessionCatalogue(database).get(key.tenant, key.session);
  }

  /** Turns, steps, attempts, tools and cost, in order. */
  async timeline(): Promise<Timeline> {
    const { database, key } = this.#parts;
    const events: SessionEvent[] = [];
    for await (const item of this.events({ live: false })) if ('n' in item) events.push(item);
    const attempts = await new AttemptLog(database).list(key);
    return buildTimeline(this.id, events, attempts);
  }

  /**
   * Whether the workflow makes progress: a task that fails at each replay (code that does not
   * fit its history) is retried by Temporal without end, and counted here.
   */
  async health(): Promise<{ workflowTaskAttempt: number; stuck: boolean }> {
    const { raw } = await this.#call(() => this.#handle.describe());
    const workflowTaskAttempt =
      raw.pendingWorkflowTask?.attempt ?? (await failedTasks(this.#parts.client, this.#handle));
    return { workflowTaskAttempt, stuck: workflowTaskAttempt > 3 };
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await call();
      } catch (raw) {
        const error = toClientError(raw, this.id);
        if (!(error instanceof PerduraError)) throw error;
        const failure =
          error.type === 'Session.NotFound' ? await this.#whyNotFound(error, tries) : error;
        const wait = BUSY_WAITS[tries];
        const busy = failure === undefined || BUSY.includes(failure.type);
        if (!busy || wait === undefined) throw failure ?? error;
        await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())));
      }
    }
  }

  /** `undefined`: look again, because between two runs a session may not be there for a moment. */
  async #whyNotFound(error: PerduraError, tries: number): Promise<PerduraError | undefined> {
    const record = await this.record();
    if (!record) return error;
    if (record.state === 'terminated') {
      return new PerduraError('Session.Closed', `Session ${this.id} is over.`);
    }
    if (tries < 3) return undefined;
    return new PerduraError(
      'Session.NoWorkflow',
      `Session ${this.id} has no workflow any more: it was ended in Temporal, or that server has lost it. Its transcript is kept.`,
    );
  }

  /** The agent of a session that another message may start again; not one started by hand. */
  async #agentToRevive(error: unknown): Promise<string | undefined> {
    if (!(error instanceof PerduraError) || error.type !== 'Session.NoWorkflow') return undefined;
    if (this.workflowId !== workflowIdOf(this.#parts.key)) return undefined;
    return (await this.record())?.agent;
  }
}

export function withId(message: OutgoingMessage): IdentifiedMessage {
  const body = typeof message === 'string' ? { text: message } : message;
  // What Temporal would refuse anyhow, with a reason of its own making.
  if (jsonBytes(body.text) > MOST_MESSAGE_JSON_BYTES) {
    throw new PerduraError(
      'Message.TooLarge',
      `The message has ${Buffer.byteLength(body.text)} bytes; as JSON it may have ${MOST_MESSAGE_JSON_BYTES}.`,
    );
  }
  return { ...body, id: body.id ?? randomUUID() };
}

function endOf(item: StreamItem, turn: number): Answer | undefined {
  if (!('turn' in item) || item.turn !== turn) return undefined;
  switch (item.type) {
    case 'turn.completed':
      return { turn, text: item.text, finish: item.finish, usage: item.usage };
    case 'turn.interrupted':
      throw new PerduraError(
        'Turn.Interrupted',
        `Turn ${turn} was interrupted${item.reason ? `: ${item.reason}` : ''}.`,
      );
    case 'turn.failed':
      throw new PerduraError(item.failure.type as never, item.failure.message);
    default:
      return undefined;
  }
}

/**
 * Tasks that failed in a row at the end of the history. Temporal's test server does not say
 * what is pending, and writes each failure down; nor can it read a history backwards. A
 * production server says nothing of an idle workflow, of which all is well.
 */
async function failedTasks(client: Client, handle: WorkflowHandle): Promise<number> {
  const { namespace } = client.options;
  const execution = { workflowId: handle.workflowId };
  const newest = await client.workflowService
    .getWorkflowExecutionHistoryReverse({ namespace, execution, maximumPageSize: 20 })
    .then(
      ({ history }) => history?.events ?? [],
      async () => [...((await handle.fetchHistory()).events ?? [])].reverse(),
    );
  let failed = 0;
  for (const event of newest) {
    if (event.workflowTaskFailedEventAttributes || event.workflowTaskTimedOutEventAttributes) {
      failed += 1;
    } else if (
      !event.workflowTaskScheduledEventAttributes &&
      !event.workflowTaskStartedEventAttributes
    ) {
      break;
    }
  }
  return failed;
}
