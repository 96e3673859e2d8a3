/**
 * The readers of one process, of all its sessions and tenants. The live bus wakes them; behind it one
 * slow check asks the store for the last event of every session that is read, so that a wake-up that
 * was lost delays an event by {@link CHECK_MS} and never loses it. An idle reader costs no query of
 * its own, and readers of one session share a subscription.
 *
 * A subscription follows any number of sessions: a stream of a tree follows the root, and each session
 * below it as its parent tells of it.
 */
import type { LiveMessage } from '../contracts/events.js';
import type { SessionKey } from '../contracts/ids.js';
import type { LiveBus } from '../live/bus.js';
import type { Events } from '../store/stores.js';

/** How long a lost wake-up can delay an event, ms. */
const CHECK_MS = 2_000;

/** Readers wait for a store that is away for so long, ms; then they are told. */
export const PATIENCE_MS = 15_000;

/** A stream, as the hub speaks to it. */
export interface HubReader {
  /** A live message of a session that it follows, or `wake`. */
  hear(key: SessionKey, message: LiveMessage): void;
  /** The store has not answered for {@link PATIENCE_MS}. */
  fail(error: unknown): void;
}

/** What one stream follows. */
export interface Subscription {
  /** Resolves when live messages of the session arrive, or when the bus is away. */
  follow(key: SessionKey): Promise<void>;
  /** The reader has all events of the session up to number `n`: it is not woken for them. */
  has(key: SessionKey, n: number): void;
  close(): void;
}

/** A session that is read here. */
interface Topic {
  readonly key: SessionKey;
  /** Each reader with the number of its last event. */
  readonly readers: Map<HubReader, number>;
  readonly subscribed: Promise<() => void>;
}

/** For tests, which have less time. */
export interface HubOptions {
  readonly checkMs?: number;
  readonly patienceMs?: number;
}

export class ReaderHub {
  readonly events: Events;
  readonly bus: LiveBus;
  readonly #checkMs: number;
  readonly #patienceMs: number;
  readonly #topics = new Map<string, Topic>();
  #timer: NodeJS.Timeout | undefined;
  #checking = false;
  #awaySince: number | undefined;

  constructor(events: Events, bus: LiveBus, options: HubOptions = {}) {
    this.events = events;
    this.bus = bus;
    this.#checkMs = options.checkMs ?? CHECK_MS;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
  }

  subscribe(reader: HubReader): Subscription {
    const followed = new Map<string, Topic>();
    return {
      follow: async (key) => {
        const topic = this.#topicOf(key);
        followed.set(nameOf(key), topic);
        topic.readers.set(reader, 0);
        this.#schedule();
        await topic.subscribed;
      },
      has: (key, n) => {
        const readers = followed.get(nameOf(key))?.readers;
        if (readers?.has(reader)) readers.set(reader, n);
      },
      close: () => {
        for (const topic of followed.values()) this.#leave(topic, reader);
        followed.clear();
      },
    };
  }

  /** Nothing is asked any more, also where a stream was left without being ended. */
  close(): void {
    this.#topics.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #topicOf(key: SessionKey): Topic {
    const name = nameOf(key);
    const known = this.#topics.get(name);
    if (known) return known;
    const readers: Topic['readers'] = new Map();
    const subscribed = this.bus.subscribe(key, (message) => {
      for (const reader of [...readers.keys()]) reader.hear(key, message);
    });
    const topic = { key, readers, subscribed };
    this.#topics.set(name, topic);
    return topic;
  }

  #leave({ key, readers, subscribed }: Topic, reader: HubReader): void {
    readers.delete(reader);
    if (readers.size > 0) return;
    this.#topics.delete(nameOf(key));
    void subscribed.then((unsubscribe) => unsubscribe());
    if (this.#topics.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    if (this.#topics.size === 0 || this.#checking) return;
    this.#timer ??= setTimeout(() => void this.#check(), this.#checkMs);
  }

  /** One query for all sessions that are read. A store that is away is asked again. */
  async #check(): Promise<void> {
    this.#timer = undefined;
    this.#checking = true;
    const keys = [...this.#topics.values()].map(({ key }) => key);
    try {
      const last = await this.events.last(keys);
      this.#awaySince = undefined;
      for (const { key, n } of last) {
        for (const [reader, has] of this.#readersOf(key)) {
          if (has < n) reader.hear(key, { type: 'wake', n });
        }
      }
    } catch (error) {
      this.#awaySince ??= performance.now();
      if (performance.now() - this.#awaySince >= this.#patienceMs) {
        for (const key of keys) for (const [reader] of this.#readersOf(key)) reader.fail(error);
      }
    }
    this.#checking = false;
    this.#schedule();
  }

  /** As they are now: one that hears something may leave. */
  #readersOf(key: SessionKey): [HubReader, number][] {
    return [...(this.#topics.get(nameOf(key))?.readers ?? [])];
  }
}

/** A tenant has no dot in its name. */
function nameOf({ tenant, session }: SessionKey): string {
  return `${tenant}.${session}`;
}
