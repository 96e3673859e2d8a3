/** One text for equal values, whatever the order of their fields: what digests are made of. Pure. */

/**
 * The canonical JSON of RFC 8785: fields in the order of their names (by UTF-16 units), no white space,
 * numbers as ECMAScript writes them. What JSON leaves out is left out here: a field that is `undefined`
 * is the same as none.
 */
export function canonicalJson(value: unknown): string {
  return written(JSON.parse(JSON.stringify(value ?? null)) as unknown);
}

/** Of what JSON holds. Not by an object with sorted fields: ECMAScript puts names that are numbers first. */
function written(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(written).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = value as Readonly<Record<string, unknown>>;
  const names = Object.keys(fields).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${written(fields[name])}`).join(',')}}`;
}
