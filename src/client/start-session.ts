/** The one way in which the SDK starts the workflow of a session. */
import { randomUUID } from 'node:crypto';
import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  type Client,
} from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import { PerduraError } from '../contracts/failures.js';
import { SESSION_WORKFLOW, workflowIdOf, type SessionKey } from '../contracts/ids.js';
import { HANDLERS, type SendReceipt, type SessionInput } from '../contracts/session.js';
import { toClientError } from './client-errors.js';

/** Whom to start it at. */
export interface Starter {
  readonly client: Client;
  readonly taskQueue: string;
}

/** A message with its id, as the update `send` takes it. */
export interface IdentifiedMessage {
  readonly text: string;
  readonly id: string;
  readonly from?: string;
}

/**
 * Starts the session, or takes the one that runs. With a message both happen in one call to
 * Temporal (update-with-start), so that nobody meets an empty session. Rejects with
 * `Session.Closed` when a session of this name has ended.
 */
export async function startSession(
  { client, taskQueue }: Starter,
  key: SessionKey,
  input: SessionInput,
  message?: IdentifiedMessage,
): Promise<SendReceipt | undefined> {
  const workflow = {
    workflowId: workflowIdOf(key),
    taskQueue,
    args: [input],
    // A worker that dies in a workflow task is missed after this long; the default is 10 s.
    workflowTaskTimeout: 5_000,
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
  } as const;
  try {
    if (message === undefined) {
      await client.workflow.start(SESSION_WORKFLOW, workflow);
      return undefined;
    }
    return await client.workflow.executeUpdateWithStart<Workflow, SendReceipt, [IdentifiedMessage]>(
      HANDLERS.send,
      {
        args: [message],
        updateId: updateIdOf(message),
        startWorkflowOperation: new WithStartWorkflowOperation(SESSION_WORKFLOW, workflow),
      },
    );
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) {
      throw new PerduraError('Session.Closed', `Session ${key.session} has ended.`, {
        cause: error,
      });
    }
    throw toClientError(error, key.session);
  }
}

/**
 * Of one call, and of its repetitions when Temporal does not answer. Another call with the same
 * message is another update: the session knows the message by its id, and says that it is a
 * duplicate, which Temporal's memory of an update could not.
 */
export function updateIdOf({ id }: IdentifiedMessage): string {
  return `send-${id}-${randomUUID().slice(0, 8)}`;
}
