/** How long an endpoint that has failed is left alone: longer each time, until it answers. */

const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;

export class EmbeddingPause {
  #next = FIRST_PAUSE_MS;
  #until = 0;

  get on(): boolean {
    return Date.now() < this.#until;
  }

  /** Answers with the length of the pause that begins, ms. Of several that fail at once, one counts. */
  failed(): number {
    const left = this.#until - Date.now();
    if (left > 0) return left;
    const pause = this.#next;
    this.#until = Date.now() + pause;
    this.#next = Math.min(pause * 2, LONGEST_PAUSE_MS);
    return pause;
  }

  succeeded(): void {
    this.#next = FIRST_PAUSE_MS;
    this.#until = 0;
  }
}
