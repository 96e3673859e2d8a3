/** JSON on its way into PostgreSQL. */

// Every escape in turn, so that the backslash of one is never taken for the start of the next.
// Not a look-behind for backslashes: over a long row of them that takes quadratic time.
const MAYBE = /\\u(?:0000|[dD][89a-fA-F])/;
const ESCAPE = /\\(?:u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})|[^])/g;

/**
 * JSON text that PostgreSQL takes: it refuses U+0000 and lone surrogates, which tools and
 * models do produce; they become U+FFFD. (JSON.stringify escapes surrogates only when they
 * are alone.)
 */
export function toJson(value: unknown): string {
  const json = JSON.stringify(value);
  if (!MAYBE.test(json)) return json;
  return json.replace(ESCAPE, (escape: string, refused?: string) =>
    refused === undefined ? escape : '\\ufffd',
  );
}
