/** Writes that wait for a store that is away. */
import { setTimeout } from 'node:timers/promises';
import { PerduraError } from '../src/contracts/failures.js';
import type { Execution } from './execution.js';

/** Between two tries of a write that waits for the store, ms: the first and the longest. */
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2_000;

/**
 * What was paid for waits for the store: given up, the call would be made and paid again. The
 * write must be one that can be repeated. Ends when the activity is told to stop.
 */
export async function whenStoreIsBack<T>(
  write: () => Promise<T>,
  { signal }: Pick<Execution, 'signal'>,
): Promise<T> {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    try {
      return await write();
    } catch (error) {
      const away = error instanceof PerduraError && error.type === 'Store.Unavailable';
      if (!away || signal.aborted) throw error;
      // Aborted meanwhile, the write is tried once more, and then given up.
      await setTimeout(wait, undefined, { signal }).catch(() => undefined);
    }
  }
}
