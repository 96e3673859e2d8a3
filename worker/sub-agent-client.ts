/** How a tool starts a sub-agent and hears of its end: over the connection that the worker has. */
import {
  Client,
  isGrpcServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { NativeConnection } from '@temporalio/worker';
import type { SubAgentClient } from '../activities/deps.js';
import { isFailureType, PerduraError } from '../src/contracts/failures.js';
import { SESSION_WORKFLOW, workflowIdOf } from '../src/contracts/ids.js';

/** A worker that dies in a workflow task is missed after this long; the default is 10 s. */
const TASK_TIMEOUT_MS = 5_000;

export function subAgentClient(of: {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
}): SubAgentClient {
  const { connection, namespace, taskQueue } = of;
  const client = new Client({ connection, namespace });
  return {
    async run(key, input, signal) {
      const workflowId = workflowIdOf(key);
      try {
        await client.workflow
          .start(SESSION_WORKFLOW, {
            workflowId,
            taskQueue,
            args: [input],
            workflowTaskTimeout: TASK_TIMEOUT_MS,
            workflowIdConflictPolicy: 'USE_EXISTING',
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
          })
          .catch((error: unknown) => {
            // An earlier attempt at the tool has started it, and it has ended.
            if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
          });
        signal.throwIfAborted();
        // A native connection has no calls that can be given up: this one ends with the session.
        await unlessAborted(client.workflow.getHandle(workflowId).result(), signal);
      } catch (error) {
        signal.throwIfAborted();
        throw failureOf(error, key.session);
      }
    },
  };
}

function failureOf(error: unknown, session: string): unknown {
  if (error instanceof WorkflowFailedError) {
    const { cause } = error;
    const type = cause instanceof ApplicationFailure ? (cause.type ?? '') : '';
    if (cause && isFailureType(type)) return new PerduraError(type, cause.message);
    return new PerduraError(
      'Session.Closed',
      `The sub-agent ${session} is gone: ${cause?.message ?? error.message}.`,
    );
  }
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (!isGrpcServiceError(cause)) return error;
  return new PerduraError(
    'Temporal.Unavailable',
    `Temporal did not run a sub-agent: ${cause.details || cause.message}.`,
    { cause: error },
  );
}

/** As `work`; rejects at once when aborted. */
async function unlessAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(new Error('The wait was given up.'));
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
    // It may still fail, and nobody waits for it.
    work.catch(() => undefined);
  }
}
