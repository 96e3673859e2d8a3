/** How long to leave a server alone that could not be reached. No timer: whoever needs it asks. */

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

export class Backoff {
  #failures = 0;
  #until = 0;

  /** Doubles with each failure in a row, up to 30 s, each a little different so that workers spread. */
  failed(): void {
    const wait = Math.min(FIRST_MS * 2 ** this.#failures++, LONGEST_MS);
    this.#until = performance.now() + wait * (0.8 + Math.random() * 0.4);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#until = 0;
  }

  /** The last attempt failed. */
  get failing(): boolean {
    return this.#failures > 0;
  }

  /** ms until the next attempt; 0 when it may be made. */
  remainingMs(): number {
    return Math.max(0, Math.ceil(this.#until - performance.now()));
  }
}
