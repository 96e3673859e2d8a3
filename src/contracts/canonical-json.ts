/** One text for equal values, whatever the order of their fields: what digests are made of. Pure. */

/**
 * JSON with the fields of objects in the order of their names (by UTF-16 units), without white
 * space. What JSON leaves out is left out here: a field that is `undefined` is the same as none.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, field: unknown) => {
    if (typeof field !== 'object' || field === null || Array.isArray(field)) return field;
    const names = Object.keys(field).sort();
    return Object.fromEntries(
      names.map((name) => [name, (field as Record<string, unknown>)[name]]),
    );
  });
}
