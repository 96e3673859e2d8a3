/** Which names a model may have meant. Pure. */

/** At most `count` of `names` that are near to `wanted`, nearest first. */
export function nearNames(wanted: string, names: readonly string[], count = 3): string[] {
  const from = simple(wanted);
  const bound = Math.max(2, Math.floor(from.length / 3));
  return names
    .map((name) => ({ name, distance: distanceOf(from, simple(name)) }))
    .filter(({ distance }) => distance <= bound)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, count)
    .map(({ name }) => name);
}

/** Models mix up case, "-", "_", and what a framework puts before a name. */
function simple(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .slice(0, 64);
}

function distanceOf(a: string, b: string): number {
  if (a !== '' && b !== '' && (a.includes(b) || b.includes(a))) return 1;
  // Levenshtein, one row at a time.
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + same);
    }
    row = next;
  }
  return row[b.length]!;
}
