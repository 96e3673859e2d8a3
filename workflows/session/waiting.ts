/** Waiting within a workflow, without a timer. */
import { condition } from '@temporalio/workflow';

/** Waits for `ready`, again and again for everyone who asks. */
export async function until(ready: () => boolean): Promise<void> {
  if (!ready()) await condition(ready);
}
