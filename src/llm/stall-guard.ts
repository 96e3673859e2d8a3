/**
 * Ends a model call that has gone silent, or that its caller no longer wants. One guard per
 * call: its signal goes to `fetch`, so that the connection is closed in both cases.
 * No protocol and no error of a provider enters here.
 */
import { PerduraError } from '../contracts/failures.js';

/** Longest delay of a Node timer; beyond it `setTimeout` would fire at once. ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class StallGuard {
  readonly #abort = new AbortController();
  readonly #caller: AbortSignal;
  readonly #where: string;
  #timeoutMs: number;
  #timer: NodeJS.Timeout;
  #stalled = false;

  /**
   * @param timeoutMs longest silence before the first byte and between any two, ms
   * @param where for the message: which model, at which host
   */
  constructor(caller: AbortSignal, timeoutMs: number, where: string) {
    this.#caller = caller;
    this.#where = where;
    this.#timeoutMs = timeoutMs;
    this.#timer = this.#arm();
    if (caller.aborted) this.#callerAborted();
    else caller.addEventListener('abort', this.#callerAborted, { once: true });
  }

  /** Aborted by the caller or by silence; to be handed to `fetch`. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Something came. O(1): `refresh` moves the timer without a new object. */
  touch(): void {
    this.#timer.refresh();
  }

  /** The answer is complete; whatever still comes has only so long, ms. */
  tighten(timeoutMs: number): void {
    clearTimeout(this.#timer);
    this.#timeoutMs = Math.min(timeoutMs, this.#timeoutMs);
    this.#timer = this.#arm();
  }

  /** The caller aborted. */
  get cancelled(): boolean {
    return this.#caller.aborted;
  }

  /**
   * Why the call ended, when it was the guard that ended it: the caller's own reason, or
   * `Model.Stalled`; `undefined` when something else failed.
   */
  reason(): unknown {
    if (this.#caller.aborted) return this.#caller.reason;
    if (!this.#stalled) return undefined;
    return new PerduraError(
      'Model.Stalled',
      `${this.#where} sent nothing for ${this.#timeoutMs / 1000} s.`,
    );
  }

  /** Must be called at the end: the caller's signal may outlive many calls. */
  dispose(): void {
    clearTimeout(this.#timer);
    this.#caller.removeEventListener('abort', this.#callerAborted);
  }

  #arm(): NodeJS.Timeout {
    return setTimeout(
      () => {
        this.#stalled = true;
        this.#abort.abort();
      },
      Math.min(this.#timeoutMs, MAX_TIMER_MS),
    );
  }

  readonly #callerAborted = (): void => {
    this.#abort.abort(this.#caller.reason);
  };
}
