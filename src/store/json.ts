/** JSON on its way into PostgreSQL. */

// A lone surrogate or a NUL, escaped, behind an even number of backslashes (an odd number
// would mean that the backslash of the escape is itself text). JSON.stringify escapes
// surrogates only when they are alone.
const REFUSED = /(?<=(?:^|[^\\])(?:\\\\)*)\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})/g;

/**
 * JSON text that PostgreSQL takes: it refuses U+0000 and lone surrogates, which tools and
 * models do produce; they become U+FFFD.
 */
export function toJson(value: unknown): string {
  return JSON.stringify(value).replace(REFUSED, '\\ufffd');
}
