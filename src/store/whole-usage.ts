/** Usage as the columns of the store take it. */
import type { Usage } from '../contracts/message.js';

/** PostgreSQL's `int`. */
const MOST_TOKENS = 2_147_483_647;
/** A billion dollars: the totals of a session (`bigint`) hold thousands of them. */
const MOST_MICROS = 1e15;

/**
 * Providers report nonsense: fractions, negative and huge numbers, no numbers. A write that fails for
 * it would fail at each attempt, after the call was paid. So every number is made whole and brought
 * into the range of its column, and one that is none counts as 0.
 */
export function wholeUsage(usage: Usage): Usage {
  const { input, output, cached, reasoning, costMicros, sent, estimated } = usage;
  return {
    input: whole(input, MOST_TOKENS),
    output: whole(output, MOST_TOKENS),
    cached: whole(cached, MOST_TOKENS),
    reasoning: whole(reasoning, MOST_TOKENS),
    costMicros: whole(costMicros, MOST_MICROS),
    ...(estimated === undefined ? {} : { estimated }),
    ...(sent === undefined ? {} : { sent: whole(sent, MOST_TOKENS) }),
  };
}

function whole(value: unknown, most: number): number {
  if (typeof value !== 'number' || Number.isNaN(value)) return 0;
  return Math.min(most, Math.max(0, Math.round(value)));
}
