/**
 * The JSON of a request. A conversation's messages are the same objects from call to call, and
 * most of a late request is what the one before it said: each is put into words once.
 */

const words = new WeakMap<object, string>();

/** The text of `{ ...rest, [list]: entries }`. `rest` must have a property. */
export function requestBody(
  rest: Readonly<Record<string, unknown>>,
  list: string,
  entries: readonly object[],
): string {
  const texts = entries.map((entry) => {
    let text = words.get(entry);
    if (text === undefined) words.set(entry, (text = JSON.stringify(entry)));
    return text;
  });
  return `${JSON.stringify(rest).slice(0, -1)},${JSON.stringify(list)}:[${texts.join(',')}]}`;
}
