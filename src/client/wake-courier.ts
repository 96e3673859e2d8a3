/** Wakes couriers from an application; a worker's activities do it over their own connection. */
import { WorkflowExecutionAlreadyStartedError, type Client } from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import {
  COURIER_SIGNAL,
  COURIER_WORKFLOW,
  courierIdOf,
  type CourierInput,
} from '../contracts/mail.js';
import { workflowIdOf, type SessionKey } from '../contracts/ids.js';
import { isWorkflowNotFound, toClientError } from './client-errors.js';

/** A worker that dies in a workflow task is missed after this long; the default is 10 s. */
const TASK_TIMEOUT_MS = 5_000;
const MOST_TRIES = 5;

/** Resolves when Temporal has taken it. Rejects with `Temporal.Unavailable`. */
export async function wakeCourier(
  client: Client,
  taskQueue: string,
  input: CourierInput,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await client.workflow.signalWithStart<Workflow, unknown[]>(COURIER_WORKFLOW, {
        workflowId: courierIdOf(input),
        taskQueue,
        args: [input],
        signal: COURIER_SIGNAL,
        signalArgs: [],
        workflowTaskTimeout: TASK_TIMEOUT_MS,
      });
      return;
    } catch (error) {
      // Another sender has started it between the look for it and the start: then it can be signalled.
      const started = error instanceof WorkflowExecutionAlreadyStartedError;
      if (!started || tries === MOST_TRIES) throw toClientError(error, 'courier');
    }
  }
}

/** Whether the session's workflow runs, whatever the catalogue has. */
export async function isRunning(client: Client, key: SessionKey): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(workflowIdOf(key)).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    if (isWorkflowNotFound(error)) return false;
    throw toClientError(error, key.session);
  }
}
