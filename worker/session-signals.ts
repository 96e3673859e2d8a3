/**
 * How activities reach workflows: by signals, over the connection that the worker has. Nothing else
 * of Temporal's client is handed to them.
 */
import {
  Client,
  isGrpcServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { Workflow, WorkflowIdReusePolicy } from '@temporalio/common';
import type { NativeConnection } from '@temporalio/worker';
import type { SessionSignals } from '../activities/deps.js';
import { PerduraError } from '../src/contracts/failures.js';
import { SESSION_WORKFLOW, workflowIdOf } from '../src/contracts/ids.js';

/** A worker that dies in a workflow task is missed after this long; the default is 10 s. */
const TASK_TIMEOUT_MS = 5_000;

interface WithStart {
  readonly args: [unknown];
  readonly signal: string;
  readonly signalArgs: unknown[];
  readonly workflowIdReusePolicy: WorkflowIdReusePolicy;
}

export function sessionSignals(of: {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
}): SessionSignals {
  const { connection, namespace, taskQueue } = of;
  const client = new Client({ connection, namespace });
  const withStart = (type: string, workflowId: string, how: WithStart) =>
    client.workflow.signalWithStart<Workflow, unknown[]>(type, {
      ...how,
      workflowId,
      taskQueue,
      workflowTaskTimeout: TASK_TIMEOUT_MS,
    });
  return {
    async signal(key, name, ...args) {
      const { workflowId = workflowIdOf(key) } = key;
      return sent(() => client.workflow.getHandle(workflowId).signal(name, ...args));
    },
    async signalOrStart(key, input, name, ...args) {
      const { workflowId = workflowIdOf(key) } = key;
      const start = (workflowIdReusePolicy: WorkflowIdReusePolicy) =>
        sent(() =>
          withStart(SESSION_WORKFLOW, workflowId, {
            args: [input],
            signal: name,
            signalArgs: args,
            workflowIdReusePolicy,
          }),
        );
      if (await start('REJECT_DUPLICATE')) return true;
      // "Failed only" of Temporal includes terminated workflows, whose sessions have ended.
      const status = await statusOf(client, workflowId);
      return status === 'FAILED' ? start('ALLOW_DUPLICATE_FAILED_ONLY') : false;
    },
    async wake(type, workflowId, name, input) {
      await sent(() =>
        withStart(type, workflowId, {
          args: [input],
          signal: name,
          signalArgs: [],
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        }),
      );
    },
  };
}

/** Whether it was taken. Rejects with `Temporal.Unavailable` where Temporal does not answer. */
async function sent(send: () => Promise<unknown>): Promise<boolean> {
  try {
    await send();
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw unavailable(error);
  }
}

async function statusOf(client: Client, workflowId: string): Promise<string> {
  try {
    return (await client.workflow.getHandle(workflowId).describe()).status.name;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'UNKNOWN';
    throw unavailable(error);
  }
}

function unavailable(error: unknown): unknown {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (!isGrpcServiceError(cause)) return error;
  return new PerduraError(
    'Temporal.Unavailable',
    `Temporal did not take a signal: ${cause.details || cause.message}.`,
    { cause: error },
  );
}
