/** The edge between errors of one process and failures that cross Temporal. */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { wellFormed } from '../src/contracts/message.js';
import { isRetryable, PerduraError } from '../src/contracts/failures.js';

/**
 * What an activity throws for `error`. `again` overrides whether its type is retried: a
 * provider that has failed often enough is not asked once more.
 */
export function toFailure(error: unknown, again?: boolean): unknown {
  if (!(error instanceof PerduraError)) return error;
  return ApplicationFailure.create({
    type: error.type,
    // Half a pair, where a text was cut, is no UTF-8: Temporal would refuse the whole report.
    message: wellFormed(error.message),
    nonRetryable: !(again ?? isRetryable(error.type)),
    ...(error.retryAfterMs === undefined ? {} : { nextRetryDelay: error.retryAfterMs }),
    ...(error.cause instanceof Error ? { cause: error.cause } : {}),
  });
}

/** Wraps activities so that every `PerduraError` leaves as an `ApplicationFailure`. */
export function withFailures<T extends object>(activities: T): T {
  return Object.fromEntries(
    Object.entries(activities).map(([name, run]) => [
      name,
      async (...args: unknown[]): Promise<unknown> => {
        try {
          return await (run as (...a: unknown[]) => Promise<unknown>)(...args);
        } catch (error) {
          throw toFailure(error);
        }
      },
    ]),
  ) as T;
}

/** Why an activity's signal was aborted. `SHUTDOWN` hands over, `CANCELLED` stops for good. */
export function abortReason(signal: AbortSignal): 'shutdown' | 'cancelled' | 'gone' {
  const reason: unknown = signal.reason;
  const message = reason instanceof CancelledFailure ? reason.message : '';
  if (message === 'WORKER_SHUTDOWN') return 'shutdown';
  // NOT_FOUND, TIMED_OUT, HEARTBEAT_…: the server no longer waits for this attempt.
  return message === '' || message === 'CANCELLED' || message === 'CANCELED' ? 'cancelled' : 'gone';
}
