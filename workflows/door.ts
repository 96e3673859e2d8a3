/**
 * The door of a workflow: the one place where handlers are registered and failures are made, so
 * that no text passes which Temporal's worker would die of. ESLint keeps `setHandler` and
 * `ApplicationFailure` out of every other file.
 */
import { ApplicationFailure, setHandler } from '@temporalio/workflow';
import type { QueryDefinition, SignalDefinition, UpdateDefinition } from '@temporalio/common';
import type { FailureType } from '../src/contracts/failures.js';
import { wellFormed, wellFormedValue } from '../src/contracts/text.js';
import { isUnreadable } from './payload-converter.js';

/** A failure that says why. */
export type Refusal = ApplicationFailure;

type Handler<Args extends unknown[], Result> = (...args: Args) => Result;

/** Registers the handler of a signal. It gets well-formed text, and must not throw. */
export function onSignal<Args extends unknown[]>(
  signal: SignalDefinition<Args>,
  handler: Handler<NoInfer<Args>, void | Promise<void>>,
  description?: string,
): void {
  setHandler(
    signal,
    (...args: Args) => handler(...wellFormedValue(args)),
    description === undefined ? {} : { description },
  );
}

/** Registers the handler of an update and what refuses it. Both get well-formed text. */
export function onUpdate<Result, Args extends unknown[]>(
  update: UpdateDefinition<Result, Args>,
  handler: Handler<NoInfer<Args>, Result | Promise<Result>>,
  options: {
    readonly validator?: Handler<NoInfer<Args>, void>;
    readonly description?: string;
  } = {},
): void {
  const { validator, description } = options;
  setHandler(update, (...args: Args) => handler(...wellFormedValue(args)), {
    validator: (...args: Args) => {
      const unreadable = args.find(isUnreadable);
      if (unreadable)
        throw refusal('Request.Invalid', `Nobody can read this: ${unreadable.unreadable}`);
      validator?.(...wellFormedValue(args));
    },
    ...(description === undefined ? {} : { description }),
  });
}

/** Registers the handler of a query. */
export function onQuery<Result>(query: QueryDefinition<Result, []>, handler: () => Result): void {
  setHandler(query, handler);
}

/** What a caller is told. Only `Session.ContinuedAsNew` is worth another try. */
export function refusal(type: FailureType | (string & {}), message: string): Refusal {
  return ApplicationFailure.create({
    type: wellFormed(type),
    message: wellFormed(message),
    nonRetryable: type !== 'Session.ContinuedAsNew',
  });
}

/**
 * Answers an update by refusing it: what is refused leaves nothing in the history, and it is asked
 * in order with everything else. `type` tells the caller that this is no failure.
 */
export function answerByRefusal(type: string, answer: unknown): Refusal {
  return ApplicationFailure.create({
    type,
    message: 'The answer is in the details.',
    details: [wellFormedValue(answer)],
    nonRetryable: true,
  });
}

/** Whether this was refused with a reason, which is no fault of the workflow. */
export function isRefusal(error: unknown): error is Refusal {
  return error instanceof ApplicationFailure;
}
