/** What a model is told when a tool did not do what it was asked, and how sure that is. Pure. */
import { wellFormed } from '../contracts/message.js';
import type { FailureInfo, FailureType } from '../contracts/failures.js';
import type { RawContentPart, Tool, ToolEffect } from '../contracts/tool.js';
import { clipText } from './text.js';

export interface ToolOutcome {
  /** At least one; cleaned, not yet bounded for the model. */
  readonly parts: readonly RawContentPart[];
  readonly failure?: FailureInfo;
  /** How long it took, ms. */
  readonly ms: number;
}

export type Outcome = Omit<ToolOutcome, 'ms'>;

/** Longest message of a failure, characters. */
export const MAX_FAILURE_MESSAGE = 2_000;
/** For a tool that may be run again, after a failure that says nothing of its effect. */
const DOUBT = ' It may have taken effect all the same: check.';

export function failed(type: FailureInfo['type'], message: string): Outcome {
  const text = clipText(wellFormed(message), MAX_FAILURE_MESSAGE);
  return { parts: [{ type: 'text', text }], failure: { type, message: text } };
}

/** As {@link failed}, for a tool that had begun: only one that reads has surely changed nothing. */
export function failedUnderWay(type: FailureType, message: string, effect: ToolEffect): Outcome {
  if (effect === 'read') return failed(type, message);
  return failed(type, clipText(message, MAX_FAILURE_MESSAGE - DOUBT.length) + DOUBT);
}

export function outcomeUnknown(name: string, why: string): Outcome {
  return failed(
    'Tool.OutcomeUnknown',
    `OUTCOME_UNKNOWN: "${name}" may or may not have taken effect (${clipText(why, 500)}). It was not run again. Find out whether it did before you call it again.`,
  );
}

/** The worker died again and again: that it was this tool's doing is likely, and not certain. */
export function crashed({ name, effect }: Tool, deaths: number): Outcome {
  const times = deaths === 1 ? 'once' : `${deaths} times`;
  return failedUnderWay(
    'Tool.Crashed',
    `The worker died ${times} while "${name}" ran. It was not run again.`,
    effect,
  );
}

/**
 * The outcome of a call that nobody runs any more, because of `failure`. `begun` is the effect of
 * a call that began and has no result; absent for one that did not begin.
 */
export function givenUp(name: string, failure: FailureInfo, begun?: string): Outcome {
  if (begun === 'once') return outcomeUnknown(name, failure.message);
  return failedUnderWay(
    failure.type as FailureType,
    failure.message,
    begun === undefined ? 'read' : (begun as ToolEffect),
  );
}
