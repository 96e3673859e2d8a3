/** The body of a request. Most of a late one is what the one before it said. */
import { incremental } from './incremental.js';

/** The first `length` bytes of a buffer that shorter and longer lists share. */
interface ListBytes {
  readonly shared: { readonly buffer: Buffer; used: number };
  readonly length: number;
}

/** UTF-8 of the entries' JSON, without the brackets around them. */
const listBytes = incremental<object, ListBytes>((before, since) => {
  const json = since.map((entry) => JSON.stringify(entry)).join(',');
  const text = before ? `,${json}` : json;
  const from = before?.length ?? 0;
  const length = from + Buffer.byteLength(text);
  // What lies behind `from` belongs to a list that went on otherwise.
  const fits = before?.shared.used === from && length <= before.shared.buffer.length;
  const shared = fits ? before.shared : { buffer: Buffer.allocUnsafe(length * 2), used: length };
  if (before && !fits) before.shared.buffer.copy(shared.buffer, 0, 0, from);
  shared.buffer.write(text, from);
  shared.used = length;
  return { shared, length };
});

/** The JSON of `{ ...rest, [list]: entries }`, UTF-8. `rest` must have a property. */
export function requestBody(
  rest: Readonly<Record<string, unknown>>,
  list: string,
  entries: readonly object[],
): Buffer {
  const head = `${JSON.stringify(rest).slice(0, -1)},${JSON.stringify(list)}:[`;
  const { shared, length } = listBytes(entries);
  return Buffer.concat([Buffer.from(head), shared.buffer.subarray(0, length), Buffer.from(']}')]);
}
