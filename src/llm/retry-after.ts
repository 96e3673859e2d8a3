/**
 * How long a provider asks to wait. Pure; the clock is a parameter.
 */

/**
 * The longest wait that is obeyed, ms. Source: the vendors' own SDKs (openai-node,
 * openai-python) take a `Retry-After` of up to 60 s and ignore longer ones; a longer wait
 * here is cut to it instead, since Temporal tries again anyway.
 */
export const MAX_RETRY_AFTER_MS = 60_000;

/** `IMF-fixdate`, the old RFC 850 form and `asctime` (RFC 9110, 5.6.7) all begin with a day's name. */
const HTTP_DATE = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? /i;
const NUMBER = /^\d+(?:\.\d+)?$/;

/**
 * Reads `retry-after-ms` (milliseconds; OpenAI, Azure), then `Retry-After` (seconds, or an
 * HTTP date). What is negative, past, zero or garbage is no wish: `undefined`, and the
 * caller's own back-off applies.
 * @returns whole ms, at most {@link MAX_RETRY_AFTER_MS}
 */
export function retryAfterMs(
  header: (name: string) => string | null | undefined,
  now: number,
): number | undefined {
  return bounded(numeric(header('retry-after-ms'))) ?? bounded(seconds(header('retry-after'), now));
}

function seconds(value: string | null | undefined, now: number): number | undefined {
  const text = value?.trim() ?? '';
  const number = numeric(text);
  if (number !== undefined) return number * 1000;
  // `Date.parse` alone takes nearly anything, "-5" included.
  return HTTP_DATE.test(text) ? Date.parse(text) - now : undefined;
}

function numeric(value: string | null | undefined): number | undefined {
  const text = value?.trim() ?? '';
  return NUMBER.test(text) ? Number(text) : undefined;
}

function bounded(ms: number | undefined): number | undefined {
  if (ms === undefined || Number.isNaN(ms) || ms <= 0) return undefined;
  return Math.min(Math.ceil(ms), MAX_RETRY_AFTER_MS);
}
