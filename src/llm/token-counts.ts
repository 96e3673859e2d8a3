/**
 * Token counts as providers report them, made safe to store and to price. The one door: what
 * comes out is whole, within PostgreSQL's `int`, and consistent in itself.
 */
import type { Usage } from '../contracts/message.js';

/** More than any model takes or gives in one call: such a count is a fault of the endpoint. */
const MOST_TOKENS = 100_000_000;

/** A report, by the names of {@link Usage}; of an unknown endpoint, so anything may be in it. */
export type ReportedTokens = Readonly<Record<'input' | 'output' | 'cached' | 'reasoning', unknown>>;

/**
 * The counts of a report. `undefined` when input or output is missing or is no count: then the
 * call is estimated, as without a report. The details, cached and reasoning tokens, are parts of
 * those two; without a usable one they are 0.
 */
export function tokenCounts(
  reported: ReportedTokens,
): Pick<Usage, 'input' | 'output' | 'cached' | 'reasoning'> | undefined {
  const input = countOf(reported.input);
  const output = countOf(reported.output);
  if (input === undefined || output === undefined) return undefined;
  return {
    input,
    output,
    cached: Math.min(countOf(reported.cached) ?? 0, input),
    reasoning: Math.min(countOf(reported.reasoning) ?? 0, output),
  };
}

/** Fractions are rounded up: nothing that was billed is left out. */
function countOf(value: unknown): number | undefined {
  // NaN fails both comparisons.
  if (typeof value !== 'number' || !(value >= 0 && value <= MOST_TOKENS)) return undefined;
  return Math.ceil(value);
}
