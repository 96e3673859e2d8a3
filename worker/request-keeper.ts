/**
 * Tells workflows again of what people have decided: whoever decided may have died before the
 * signal, or Temporal was away. One query now and then finds decisions that no workflow has acted on.
 */
import type { SessionSignals } from '../activities/deps.js';
import { DECIDED_SIGNAL } from '../src/contracts/requests.js';
import type { ToolLogger } from '../src/contracts/tool.js';
import type { Requests } from '../src/store/stores.js';

/** Between two looks, ms. */
const LOOK_MS = 15_000;
/** Decisions of one look; where there are more, the next look comes at once. */
const PAGE = 100;

export class RequestKeeper {
  readonly #parts: {
    readonly requests: Pick<Requests, 'untold'>;
    readonly signals: Pick<SessionSignals, 'signal'>;
    readonly log: ToolLogger;
  };
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #closed = false;

  constructor(parts: {
    readonly requests: Pick<Requests, 'untold'>;
    readonly signals: Pick<SessionSignals, 'signal'>;
    readonly log: ToolLogger;
  }) {
    this.#parts = parts;
  }

  begin(): void {
    this.#wait(LOOK_MS);
  }

  /** Resolves when a look that was begun has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #wait(ms: number): void {
    if (this.#closed) return;
    // Not all processes at the same moment.
    const look = () => {
      this.#looking = this.#look();
    };
    this.#timer = setTimeout(look, ms * (0.75 + Math.random() / 2));
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const { requests, signals, log } = this.#parts;
    let found = 0;
    try {
      const untold = await requests.untold(PAGE);
      found = untold.length;
      for (const { callKey, ...key } of untold) await signals.signal(key, DECIDED_SIGNAL, callKey);
    } catch (error) {
      log.debug({ error }, 'decisions could not be told, trying again');
    }
    this.#wait(found === PAGE ? 100 : LOOK_MS);
  }
}
