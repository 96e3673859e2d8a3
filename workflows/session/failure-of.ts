/** What an error of an activity means for the turn. */
import { ActivityFailure, isCancellation, rootCause, TimeoutFailure } from '@temporalio/workflow';
import { ApplicationFailure } from '@temporalio/common';
import type { FailureInfo, FailureType } from '../../src/contracts/failures.js';
import { wellFormed } from '../../src/contracts/text.js';

/** Ends a turn for a reason of its own. Caught by the loop, never by Temporal. */
export class TurnFailed extends Error {
  readonly failure: FailureInfo;
  constructor(type: FailureType, message: string) {
    super(message);
    this.failure = { type, message };
  }
}

/** The failure that an activity ended with; `undefined` for a cancellation. */
export function failureOf(error: unknown): FailureInfo | undefined {
  if (error instanceof TurnFailed) return error.failure;
  if (isCancellation(error)) return undefined;
  // What a local activity threw comes as it is, what a regular one threw comes wrapped.
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    return { type: cause.type ?? 'Tool.Failed', message: wellFormed(cause.message) };
  }
  if (!(error instanceof ActivityFailure) && !(error instanceof TimeoutFailure)) return undefined;
  const what = error instanceof ActivityFailure ? error.activityType : 'local';
  return {
    type: 'Tool.Timeout',
    message: wellFormed(
      `The activity ${what} did not answer: ${rootCause(error) ?? error.message}.`,
    ),
  };
}
