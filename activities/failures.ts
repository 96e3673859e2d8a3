/** The edge between errors of one process and failures that cross Temporal. */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { wellFormed } from '../src/contracts/message.js';
import { isRetryable, PerduraError } from '../src/contracts/failures.js';

/** Longest message and stack that a failure carries, UTF-16 units: it stands in the history. */
const LONGEST_TEXT = 4_000;
/** Causes of causes beyond this many are left out; a chain may even be a circle. */
const MOST_CAUSES = 8;

/**
 * What an activity throws for `error`. `again` overrides whether its type is retried: a
 * provider that has failed often enough is not asked once more. Every text of the failure is
 * well-formed: half a surrogate pair is no UTF-8, and the SDK's core would shut the worker down.
 */
export function toFailure(error: unknown, again?: boolean): unknown {
  if (error instanceof PerduraError) {
    return ApplicationFailure.create({
      type: error.type,
      message: clean(error.message),
      nonRetryable: !(again ?? isRetryable(error.type)),
      ...(error.retryAfterMs === undefined ? {} : { nextRetryDelay: error.retryAfterMs }),
      ...causeOf(error, 0),
    });
  }
  if (!(error instanceof Error))
    return ApplicationFailure.create({ message: clean(String(error)) });
  // What is sound goes as it is: Temporal recognises some errors by their class.
  return isSound(error, 0) ? error : rebuilt(error, 0);
}

/** The same failure in clean texts. */
function rebuilt(error: Error, depth: number): ApplicationFailure {
  const known = error instanceof ApplicationFailure ? error : undefined;
  const failure = ApplicationFailure.create({
    type: clean(known?.type ?? error.name),
    message: clean(error.message),
    nonRetryable: known?.nonRetryable ?? false,
    ...(known?.details ? { details: known.details } : {}),
    ...causeOf(error, depth),
  });
  failure.stack = clean(error.stack ?? '');
  return failure;
}

function causeOf({ cause }: Error, depth: number): { cause?: Error } {
  if (!(cause instanceof Error) || depth >= MOST_CAUSES) return {};
  return { cause: isSound(cause, depth + 1) ? cause : rebuilt(cause, depth + 1) };
}

function isSound(error: Error, depth: number): boolean {
  const { name, message, stack = '', cause } = error;
  const type = error instanceof ApplicationFailure ? (error.type ?? '') : '';
  if ([name, type, message, stack].some((text) => clean(text) !== text)) return false;
  return !(cause instanceof Error) || (depth < MOST_CAUSES && isSound(cause, depth + 1));
}

function clean(text: string): string {
  return wellFormed(text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text);
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
