/**
 * The door of a workflow: the one place where handlers are registered and failures are made, so
 * that no text passes which Temporal's worker would die of, and no handler acts before what its task
 * has brought besides. ESLint keeps `setHandler` and `ApplicationFailure` out of every other file.
 */
import {
  ApplicationFailure,
  log,
  patched,
  setDefaultSignalHandler,
  setHandler,
} from '@temporalio/workflow';
import type { QueryDefinition, SignalDefinition, UpdateDefinition } from '@temporalio/common';
import type { FailureType } from '../src/contracts/failures.js';
import { utf8Bytes } from '../src/contracts/message.js';
import { wellFormed, wellFormedValue } from '../src/contracts/text.js';
import { isUnreadable } from './payload-converter.js';
import { actsLast, settled } from './session/waiting.js';

/** A failure that says why. */
export type Refusal = ApplicationFailure;

type Handler<Args extends unknown[], Result> = (...args: Args) => Result;

/** A payload may have 2 MiB. A message has less (`MOST_MESSAGE_JSON_BYTES`), and a few more fields. */
const MOST_UPDATE_BYTES = 1792 * 1024;
/** In the history of a run whose first task brought signals in another order than that of their kinds. */
const SIGNAL_ORDER = 'perdura-signal-order';

/** A signal, what it does, and what the Temporal UI says of it. The handler must not throw. */
export interface SignalDoor {
  readonly name: string;
  readonly handler: (args: unknown[]) => void | Promise<void>;
  readonly description?: string;
}

/** Pairs a signal with its handler, of which the types fit. */
export function signalDoor<Args extends unknown[]>(
  signal: SignalDefinition<Args>,
  handler: Handler<NoInfer<Args>, void | Promise<void>>,
  description?: string,
): SignalDoor {
  return {
    name: signal.name,
    handler: (args) => handler(...(args as Args)),
    ...(description === undefined ? {} : { description }),
  };
}

/**
 * Registers the signals of a workflow and hands out what came before its first task, in the order
 * in which the server took it. The SDK alone hands out all signals of the first kind that is
 * registered, then all of the second: "pause, resume, pause" would end with "resume".
 */
export function onSignals(doors: readonly SignalDoor[]): void {
  const kinds = new Map(doors.map((door, kind) => [door.name, { door, kind }]));
  const early: { name: string; args: unknown[]; done: (end: void | Promise<void>) => void }[] = [];
  let collecting = true;
  const last = actsLast();
  const receive = (name: string, args: unknown[]) => {
    const handler = kinds.get(name)?.door.handler;
    if (handler) return inTurn(last, () => handler(wellFormedValue(args)));
    log.warn('Nobody listens to this signal: it is left out.', { signal: wellFormed(name) });
  };
  setDefaultSignalHandler(async (name, ...args) => {
    // Under way until its handler is done: a run does not end before.
    if (collecting) await new Promise<void>((done) => early.push({ name, args, done }));
    else await receive(name, args);
  });
  for (const { name, description } of doors) {
    setHandler(
      { type: 'signal', name } as SignalDefinition,
      (...args: unknown[]) => receive(name, args),
      description === undefined ? {} : { description },
    );
  }
  collecting = false;
  const kindOf = ({ name }: { readonly name: string }) => kinds.get(name)?.kind ?? doors.length;
  const byKind = [...early].sort((a, b) => kindOf(a) - kindOf(b));
  // Asked only where it matters: the answer costs two events.
  const mixed = byKind.some((signal, i) => signal !== early[i]);
  for (const { name, args, done } of mixed && (last || patched(SIGNAL_ORDER)) ? early : byKind)
    done(receive(name, args));
}

/** What a handler does: at once, or when the rest of its task is done. */
function inTurn<Result>(
  last: boolean,
  act: () => Result | Promise<Result>,
): Result | Promise<Result> {
  return last ? settled().then(act) : act();
}

/**
 * Registers the handler of a signal. It gets well-formed text, and must not throw. `atOnce`: of a
 * workflow that takes no updates, whose tasks are therefore never replayed together.
 */
export function onSignal<Args extends unknown[]>(
  signal: SignalDefinition<Args>,
  handler: Handler<NoInfer<Args>, void | Promise<void>>,
  {
    description,
    atOnce = false,
  }: { readonly description?: string; readonly atOnce?: boolean } = {},
): void {
  const last = !atOnce && actsLast();
  setHandler(
    signal,
    (...args: Args) => inTurn(last, () => handler(...wellFormedValue(args))),
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
  const last = actsLast();
  setHandler(update, (...args: Args) => inTurn(last, () => handler(...wellFormedValue(args))), {
    validator: (...args: Args) => {
      const unreadable = args.find(isUnreadable);
      if (unreadable)
        throw refusal('Request.Invalid', `Nobody can read this: ${unreadable.unreadable}`);
      // What is accepted stands in the history, whichever of its fields is long.
      const bytes = utf8Bytes(JSON.stringify(args));
      if (bytes > MOST_UPDATE_BYTES) {
        throw refusal(
          'Message.TooLarge',
          `The update has ${bytes} bytes as JSON; the limit is ${MOST_UPDATE_BYTES}.`,
        );
      }
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
