/** Where in a YAML text a value is, by its path. Pure. */
import { isAlias, isCollection, isScalar, type Document } from 'yaml';

/**
 * Offset of the value at `path`, or of the nearest thing around it that the text has; with
 * `key`, of that key in the value.
 */
export function offsetOf(
  document: Document.Parsed,
  path: readonly (string | number)[],
  key?: string,
): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? document.range[0];
  for (const part of key === undefined ? path : [...path, key]) {
    const target = isAlias(node) ? node.resolve(document) : node;
    if (!isCollection(target)) break;
    const pair = target.items.find((item) => isPairOf(item, part));
    node = pair ? (pair as { value: unknown }).value : target.get(part, true);
    // The key is the better place where there is no value, and for a key that is wrong.
    const place = (
      pair && (node === null || part === key) ? (pair as { key: unknown }).key : node
    ) as { range?: readonly number[] } | null | undefined;
    if (place?.range?.[0] === undefined) break;
    offset = place.range[0];
  }
  return offset;
}

function isPairOf(item: unknown, part: string | number): boolean {
  const key: unknown = (item as { key?: unknown } | null)?.key;
  return isScalar(key) && String(key.value) === String(part);
}
