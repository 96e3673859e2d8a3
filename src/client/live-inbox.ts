/** Live messages that a stream has heard and its reader has not read yet. */
import type { LiveMessage } from '../contracts/events.js';

/** Live messages that wait for a slow reader; beyond them deltas are dropped, and asked for again. */
const MAX_WAITING = 1_000;

/** A message, and the session that it is about. */
export interface Heard {
  readonly session: string;
  readonly message: LiveMessage;
}

/** Bounded, so that a slow reader costs no memory. */
export class LiveInbox {
  #waiting: Heard[] = [];
  #dropped = false;
  #failure: { readonly error: unknown } | undefined;
  #notify: (() => void) | undefined;

  push(session: string, message: LiveMessage): void {
    if (this.#waiting.length >= MAX_WAITING) {
      // A wake must not be lost; what is said can be said again.
      const sessions = new Set(this.#waiting.map((heard) => heard.session));
      this.#waiting = [...sessions].map((each) => ({
        session: each,
        message: { type: 'wake', n: 0 },
      }));
      this.#dropped = true;
    }
    this.#waiting.push({ session, message });
    this.#notify?.();
  }

  /** The next {@link take} rejects. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#notify?.();
  }

  /** Everything that waits; waits for the first. */
  async take(): Promise<{ messages: Heard[]; dropped: boolean }> {
    if (this.#waiting.length === 0 && !this.#failure) {
      await new Promise<void>((resolve) => (this.#notify = resolve));
      this.#notify = undefined;
    }
    if (this.#failure) throw this.#failure.error;
    const taken = { messages: this.#waiting, dropped: this.#dropped };
    this.#waiting = [];
    this.#dropped = false;
    return taken;
  }
}
