/**
 * One stream of a session: durable events from the store, live deltas from the bus. The store
 * decides: what is read is "everything after the last number", whatever woke the reader
 * (reader-hub.ts), so a notification that is lost loses no event.
 */
import type { SessionEvent, SessionItem } from '../contracts/events.js';
import { PerduraError } from '../contracts/failures.js';
import type { SessionKey } from '../contracts/ids.js';
import { isTurnEnd } from '../contracts/turn-end.js';
import type { Events } from '../store/stores.js';
import { DeltaTracker } from './delta-tracker.js';
import { LiveInbox } from './live-inbox.js';
import { PATIENCE_MS, type ReaderHub } from './reader-hub.js';

const BATCH = 500;
/** Between two attempts at a store that is away, ms. */
const RETRY_MS = 500;

export interface EventsOptions extends StreamOptions {
  /**
   * The items of all sessions below it too, each with its own session and path: those of its
   * sub-agents, and of theirs. Ends when all of them have ended. Default false.
   */
  readonly tree?: boolean;
  /** In place of `after`, of a tree: by session, the number of the last event that the reader has. */
  readonly cursors?: Readonly<Record<string, number>>;
}

export interface StreamOptions {
  /** Number of the last event that the reader has. Default 0: from the beginning. */
  readonly after?: number;
  /** Deltas and progress too, and go on when the past is told. Default true. */
  readonly live?: boolean;
  /** Ends the stream. */
  readonly signal?: AbortSignal;
}

/**
 * The items of a session, until it has ended or `signal` is aborted. Rejects with `Store.Unavailable`
 * when the store cannot be read at the beginning, or for {@link PATIENCE_MS} later on.
 */
export async function* streamEvents(
  hub: ReaderHub,
  key: SessionKey,
  { after = 0, live = true, signal }: StreamOptions = {},
): AsyncGenerator<SessionItem, void, undefined> {
  const session = new SessionReader(hub.events, key, after);
  if (!live) {
    yield* session.readNew();
    return;
  }
  const inbox = new LiveInbox();
  const subscription = hub.subscribe({
    hear: ({ session: name }, message) => inbox.push(name, message),
    fail: (error) => inbox.fail(error),
  });
  const abort = () => inbox.push(key.session, { type: 'wake', n: 0 });
  signal?.addEventListener('abort', abort);
  try {
    await subscription.follow(key);
    yield* session.readNew();
    if (session.over) return;
    subscription.has(key, session.last);
    // Someone may be speaking: ask to hear what was said so far. A reader who comes back in a turn has
    // had the beginning of the step before, so only the speaker can tell.
    if (session.tracker.speaking || session.resumedInTurn) await askAgain(hub, key);
    while (!signal?.aborted) {
      const { messages, dropped } = await inbox.take();
      if (signal?.aborted) return;
      let gap = dropped;
      let wake = false;
      for (const { message } of messages) {
        if (message.type === 'delta') {
          const heard = session.tracker.delta(message);
          yield* heard.show;
          gap ||= heard.gap;
        } else if (message.type === 'tool.progress') yield message;
        else if (message.type === 'wake') wake ||= message.n === 0 || message.n > session.last;
      }
      if (wake) {
        yield* patiently(() => session.readNew(), signal);
        subscription.has(key, session.last);
      }
      if (session.over) return;
      if (gap && session.tracker.speaking) await askAgain(hub, key);
    }
  } catch (error) {
    // The connection may be closed as soon as the reader leaves.
    if (!signal?.aborted) throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    subscription.close();
  }
}

/** What a reader has of one session. */
export class SessionReader {
  readonly tracker = new DeltaTracker();
  readonly #events: Events;
  readonly #key: SessionKey;
  readonly #after: number;
  /** Number of the last event that was read: at first the one before the reader's own last one. */
  last: number;
  /** The last event that was read is the end of the session. */
  over = false;
  /** The reader's own last event did not end a turn: a step may speak of which it has the beginning. */
  resumedInTurn: boolean;

  constructor(events: Events, key: SessionKey, after: number) {
    this.#events = events;
    this.#key = key;
    this.#after = after;
    this.last = Math.max(0, after - 1);
    this.resumedInTurn = after > 0;
  }

  async *readNew(): AsyncGenerator<SessionItem> {
    for (;;) {
      const range = { after: this.last, limit: BATCH };
      const events = await this.#events.read(this.#key, range);
      for (const event of events) yield* this.#take(event);
      if (events.length < BATCH) return;
    }
  }

  *#take(event: SessionEvent): Generator<SessionItem> {
    this.last = event.n;
    this.over = event.type === 'session.ended';
    // The reader has it; whether it is the end is told by no other question.
    if (event.n <= this.#after) {
      this.resumedInTurn = !isTurnEnd(event);
      return;
    }
    yield* this.tracker.event(event);
    yield event;
  }
}

/** Reads on over a short absence of the store: a failover, a connection that went silent. */
export async function* patiently<T>(
  read: () => AsyncGenerator<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const since = performance.now();
  for (;;) {
    try {
      yield* read();
      return;
    } catch (error) {
      const away = error instanceof PerduraError && error.type === 'Store.Unavailable';
      if (!away || signal?.aborted || performance.now() - since > PATIENCE_MS) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

export async function askAgain({ bus }: ReaderHub, key: SessionKey): Promise<void> {
  await bus.control(key, { type: 'sync' }).catch(() => undefined);
}
