/** The one way in which the SDK starts the workflow of a session. */
import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowStartOptions,
} from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import { PerduraError } from '../contracts/failures.js';
import { SESSION_WORKFLOW } from '../contracts/ids.js';
import { HANDLERS, type SendReceipt, type SessionInput } from '../contracts/session.js';
import { toClientError } from './client-errors.js';
import { updateIdOf, type IdentifiedMessage } from './outgoing-message.js';
import type { SessionWorkflow } from './session-workflow.js';

/**
 * Starts the session, or takes the one that runs. With a message both happen in one call to
 * Temporal (update-with-start), so that no caller meets an empty session. Rejects with
 * `Session.Closed` when a session of this name has ended. A name whose workflow failed (its agent
 * was mistyped) is free.
 */
export async function startSession(
  workflow: SessionWorkflow,
  taskQueue: string,
  input: SessionInput,
  message?: IdentifiedMessage,
): Promise<SendReceipt | undefined> {
  const { session } = workflow.key;
  const start = (workflowIdReusePolicy: WorkflowStartOptions['workflowIdReusePolicy']) =>
    callStart(workflow, message, {
      workflowId: workflow.handle.workflowId,
      taskQueue,
      args: [input],
      // A worker that dies in a workflow task is missed after this long; the default is 10 s.
      workflowTaskTimeout: 5_000,
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowIdReusePolicy,
    });
  try {
    try {
      return await start('REJECT_DUPLICATE');
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const found = await workflow.presence();
      if (found.is === 'ended') throw found.failure;
      // Temporal's "failed only" includes terminated workflows, which the question above excludes.
      return await start('ALLOW_DUPLICATE_FAILED_ONLY');
    }
  } catch (raw) {
    const error = toClientError(raw, session);
    // Its workflow is about to fail; then the name is free for another start.
    if (error instanceof PerduraError && error.type === 'Agent.Unknown') await workflow.closed();
    throw error;
  }
}

async function callStart(
  { connections: { client } }: SessionWorkflow,
  message: IdentifiedMessage | undefined,
  options: WorkflowStartOptions & { workflowId: string },
): Promise<SendReceipt | undefined> {
  if (message === undefined) {
    await client.workflow.start(SESSION_WORKFLOW, options);
    return undefined;
  }
  return client.workflow.executeUpdateWithStart<Workflow, SendReceipt, [IdentifiedMessage]>(
    HANDLERS.send,
    {
      args: [message],
      updateId: updateIdOf(message),
      startWorkflowOperation: new WithStartWorkflowOperation(SESSION_WORKFLOW, {
        ...options,
        workflowIdConflictPolicy: 'USE_EXISTING',
      }),
    },
  );
}
