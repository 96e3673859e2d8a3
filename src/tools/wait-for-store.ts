/** Patience with a store that does not answer. Knows no store: only what it fails with. */
import { setTimeout } from 'node:timers/promises';
import { PerduraError } from '../contracts/failures.js';

/** Pauses between two tries, ms. */
const FIRST_MS = 50;
const LONGEST_MS = 2_000;

export interface WaitOptions {
  /** Ends the waiting: after one more try its reason is thrown. */
  readonly signal: AbortSignal;
  /** Called with each failure that is waited for. Must not throw. */
  readonly onAway?: (error: PerduraError) => void;
}

/**
 * Does `work` again, with growing pauses, until the store answers: what was paid for, or has taken
 * effect, must not be given up because of an outage. `work` must be safe to repeat, since its first
 * answer may have been lost. Whatever else it throws is thrown.
 */
export async function waitForStore<T>(
  work: () => Promise<T>,
  { signal, onAway }: WaitOptions,
): Promise<T> {
  for (let pause = FIRST_MS; ; pause = Math.min(pause * 2, LONGEST_MS)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof PerduraError) || error.type !== 'Store.Unavailable') throw error;
      onAway?.(error);
      signal.throwIfAborted();
      await setTimeout(pause, undefined, { signal }).catch(() => undefined);
    }
  }
}
