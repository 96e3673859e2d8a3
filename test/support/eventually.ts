/** Waits for what the store or Temporal will show, by asking again. */
import { setTimeout } from 'node:timers/promises';

/** Asks until `done`, and answers what was seen then. The deadline of the test is the limit. */
export async function eventually<T>(ask: () => Promise<T>, done: (seen: T) => boolean): Promise<T> {
  for (;;) {
    const seen = await ask();
    if (done(seen)) return seen;
    await setTimeout(20);
  }
}
