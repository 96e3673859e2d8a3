/**
 * Text that every part of the system takes. JSON can hold half of a surrogate pair (`"\ud83d"`),
 * protobuf and PostgreSQL cannot: Temporal's worker shuts down on a failure message with one in it.
 * So text that comes from outside passes through here once, where it comes in. Pure.
 */

/** Values nested deeper than this are cut off: nobody means them. */
const MAX_DEPTH = 100;
const SUSPECT = /[\u0000\ud800-\udfff]/;
const ILL_FORMED = /\u0000|\p{Surrogate}/gu;

/** `text` without what PostgreSQL and protobuf refuse: NUL and lone surrogates become U+FFFD. */
export function wellFormed(text: string): string {
  return SUSPECT.test(text) ? text.replace(ILL_FORMED, '\uFFFD') : text;
}

/**
 * Every string in a JSON value made well-formed, keys included. Returns the value itself where
 * nothing had to change.
 */
export function wellFormedValue<T>(value: T, depth = 0): T {
  if (typeof value === 'string') return wellFormed(value) as T;
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) return null as T;
  if (Array.isArray(value)) {
    const items: unknown[] = value;
    const clean = items.map((item) => wellFormedValue(item, depth + 1));
    return (clean.some((item, i) => item !== items[i]) ? clean : value) as T;
  }
  const entries = Object.entries(value);
  const clean = entries.map(
    ([key, item]) => [wellFormed(key), wellFormedValue(item as unknown, depth + 1)] as const,
  );
  const same = clean.every(([key, item], i) => key === entries[i]![0] && item === entries[i]![1]);
  return same ? value : (Object.fromEntries(clean) as T);
}

/** At most `units` UTF-16 code units of `text`, well-formed: no pair is cut in two. */
export function clip(text: string, units: number): string {
  if (text.length <= units) return wellFormed(text);
  const last = text.charCodeAt(units - 1);
  const pairCut = last >= 0xd800 && last <= 0xdbff;
  return wellFormed(text.slice(0, pairCut ? units - 1 : units));
}
