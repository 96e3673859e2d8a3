/**
 * One stream of a session: durable events from the store, live deltas from the bus. The
 * store decides: a lost notification delays an event by at most {@link POLL_MS} and never
 * loses it, since what is read is "everything after the last number".
 */
import type { LiveMessage, SessionItem } from '../contracts/events.js';
import type { SessionKey } from '../contracts/ids.js';
import type { LiveBus } from '../live/bus.js';
import type { Database } from '../store/database.js';
import { readEvents } from '../store/event-log.js';
import { DeltaTracker } from './delta-tracker.js';

/** How long a lost notification can delay an event, ms. */
const POLL_MS = 2_000;
/** Live messages that wait for a slow reader; beyond them deltas are dropped, and asked for again. */
const MAX_WAITING = 1_000;
const BATCH = 500;

export interface EventsOptions {
  /** Number of the last event that the reader has. Default 0: from the beginning. */
  readonly after?: number;
  /** Deltas and progress too, and go on when the past is told. Default true. */
  readonly live?: boolean;
  /** Ends the stream. */
  readonly signal?: AbortSignal;
}

export async function* streamEvents(
  database: Database,
  bus: LiveBus,
  key: SessionKey,
  { after = 0, live = true, signal }: EventsOptions = {},
): AsyncGenerator<SessionItem, void, undefined> {
  const tracker = new DeltaTracker();
  /** Number of the last event that was read: at first the one before the reader's own last one. */
  let read = Math.max(0, after - 1);
  /** The last event that was read is the end of the session. */
  let over = false;
  const readNew = async function* (): AsyncGenerator<SessionItem> {
    for (;;) {
      const events = await readEvents(database, key.tenant, key.session, {
        after: read,
        limit: BATCH,
      });
      for (const event of events) {
        read = event.n;
        over = event.type === 'session.ended';
        // The reader has it; whether it is the end is told by no other question.
        if (event.n <= after) continue;
        yield* tracker.event(event);
        yield event;
      }
      if (events.length < BATCH) return;
    }
  };
  if (!live) {
    yield* readNew();
    return;
  }

  const inbox = new Inbox();
  const unsubscribe = await bus.subscribe(key, (message) => inbox.push(message));
  const abort = () => inbox.push({ type: 'wake', n: 0 });
  signal?.addEventListener('abort', abort);
  try {
    yield* readNew();
    if (over) return;
    // Someone may be speaking: ask to hear what was said so far. A reader who comes back has had
    // the beginning of the step before, so only the speaker can tell.
    if (tracker.speaking || after > 0) await askAgain(bus, key);
    while (!signal?.aborted) {
      const { messages, dropped } = await inbox.take(POLL_MS);
      if (signal?.aborted) return;
      let gap = dropped;
      let wake = messages.length === 0;
      for (const message of messages) {
        if (message.type === 'delta') {
          const heard = tracker.delta(message);
          yield* heard.show;
          gap ||= heard.gap;
        } else if (message.type === 'tool.progress') yield message;
        else if (message.type === 'wake') wake = true;
      }
      if (wake) yield* readNew();
      if (over) return;
      if (gap && tracker.speaking) await askAgain(bus, key);
    }
  } catch (error) {
    // Whoever leaves may close the connection at once.
    if (!signal?.aborted) throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    unsubscribe();
  }
}

async function askAgain(bus: LiveBus, key: SessionKey): Promise<void> {
  await bus.control(key, { type: 'sync' }).catch(() => undefined);
}

/** What has arrived and was not read: bounded, so that a slow reader costs no memory. */
class Inbox {
  #waiting: LiveMessage[] = [];
  #dropped = false;
  #notify: (() => void) | undefined;

  push(message: LiveMessage): void {
    if (this.#waiting.length >= MAX_WAITING) {
      // A wake must not be lost; what is said can be said again.
      this.#waiting = [{ type: 'wake', n: 0 }];
      this.#dropped = true;
    }
    this.#waiting.push(message);
    this.#notify?.();
  }

  /** Everything that waits, or nothing after `ms`. */
  async take(ms: number): Promise<{ messages: LiveMessage[]; dropped: boolean }> {
    if (this.#waiting.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#notify = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#notify = undefined;
    }
    const taken = { messages: this.#waiting, dropped: this.#dropped };
    this.#waiting = [];
    this.#dropped = false;
    return taken;
  }
}
