/** What Temporal's client throws, as failures that say what to do. */
import { ServiceError, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { isFailureType, PerduraError } from '../contracts/failures.js';

/** gRPC status codes (https://grpc.io/docs/guides/status-codes/). */
const CANCELLED = 1;
const UNAVAILABLE = 14;
const DEADLINE_EXCEEDED = 4;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;

/** Temporal's words for a workflow task that has failed: before the update came, or with it. */
const STUCK = /Workflow Task in failed state|unexpected workflow task failure/i;

/** Whether Temporal knows no such workflow, or none that is open. */
export function isWorkflowNotFound(error: unknown): boolean {
  return error instanceof WorkflowNotFoundError;
}

export function toClientError(error: unknown, session: string): unknown {
  if (error instanceof PerduraError) return error;
  if (error instanceof WorkflowUpdateFailedError) {
    const { cause } = error;
    if (cause instanceof ApplicationFailure && cause.type && isFailureType(cause.type)) {
      return new PerduraError(cause.type, cause.message, { cause: error });
    }
    if (
      cause instanceof ApplicationFailure &&
      /completed|AcceptedUpdateCompletedWorkflow/i.test(`${cause.type} ${cause.message}`)
    ) {
      return new PerduraError('Session.Closed', `Session ${session} has ended.`, { cause: error });
    }
  }
  if (isWorkflowNotFound(error)) {
    return new PerduraError('Session.NotFound', `There is no open session ${session}.`, {
      cause: error,
    });
  }
  const code = grpcCode(error);
  if (code === RESOURCE_EXHAUSTED) {
    return new PerduraError(
      'Session.TooManyUpdates',
      `Temporal accepts no more calls for session ${session} at the moment: ${messageOf(error)}.`,
      { cause: error },
    );
  }
  if (code === FAILED_PRECONDITION && STUCK.test(messageOf(error))) {
    return new PerduraError(
      'Session.Stuck',
      `Session ${session} is stuck: its workflow task fails at each attempt.`,
      { cause: error },
    );
  }
  // Only its own deadline cancels one of our calls, and the code that it gives depends on
  // whether the SDK's retry or gRPC itself sees it first.
  if (code === UNAVAILABLE || code === DEADLINE_EXCEEDED || code === CANCELLED) {
    return new PerduraError(
      'Temporal.Unavailable',
      `Temporal does not answer: ${messageOf(error)}.`,
      {
        cause: error,
      },
    );
  }
  return error;
}

function grpcCode(error: unknown): number | undefined {
  const source = error instanceof ServiceError ? error.cause : error;
  return typeof source === 'object' &&
    source !== null &&
    'code' in source &&
    typeof source.code === 'number'
    ? source.code
    : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error
    ? error.cause instanceof Error
      ? error.cause.message
      : error.message
    : String(error);
}
