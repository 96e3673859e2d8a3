/**
 * Messages on their way to PostgreSQL. Bounded: while the server does not answer, what is said is
 * lost, and readers ask for it again. A statement takes as many as it may.
 */

/** Most messages, and characters of them, that wait. */
const MOST_MESSAGES = 5_000;
const MOST_CHARACTERS = 8 * 1024 * 1024;
/** Of one statement: PostgreSQL looks through all of them for doubles. */
const BATCH = 200;

interface Outgoing {
  readonly channel: string;
  readonly payload: string;
  readonly settle: (error?: Error) => void;
}

export interface Batch {
  readonly channels: readonly string[];
  readonly payloads: readonly string[];
  /** Tells those who wait for it how it went. */
  settle(error?: Error): void;
}

export class Outbox {
  #waiting: Outgoing[] = [];
  #characters = 0;

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  /** False: it is full, and the message is lost. `settle` is called once, unless it is full. */
  put(channel: string, payload: string, settle: (error?: Error) => void): boolean {
    const characters = this.#characters + payload.length;
    if (this.#waiting.length >= MOST_MESSAGES || characters > MOST_CHARACTERS) return false;
    this.#waiting.push({ channel, payload, settle });
    this.#characters = characters;
    return true;
  }

  /** The oldest messages, in order. */
  take(): Batch {
    const taken = this.#waiting.slice(0, BATCH);
    this.#waiting = this.#waiting.slice(BATCH);
    this.#characters -= taken.reduce((sum, { payload }) => sum + payload.length, 0);
    return {
      channels: taken.map(({ channel }) => channel),
      payloads: taken.map(({ payload }) => payload),
      settle: (error) => taken.forEach(({ settle }) => settle(error)),
    };
  }
}
