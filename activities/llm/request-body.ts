/** The body of a request. Most of a late one is what the one before it said. */
import { incremental } from '../incremental.js';

/** UTF-8 of the entries' JSON, without the brackets around them. */
const listBytes = incremental<object, Buffer>((before, since) => {
  const bytes = Buffer.from(since.map((entry) => JSON.stringify(entry)).join(','));
  return before ? Buffer.concat([before, COMMA, bytes]) : bytes;
});

const COMMA = Buffer.from(',');

/** The JSON of `{ ...rest, [list]: entries }`, UTF-8. `rest` must have a property. */
export function requestBody(
  rest: Readonly<Record<string, unknown>>,
  list: string,
  entries: readonly object[],
): Buffer {
  const head = `${JSON.stringify(rest).slice(0, -1)},${JSON.stringify(list)}:[`;
  return Buffer.concat([Buffer.from(head), listBytes(entries), Buffer.from(']}')]);
}
