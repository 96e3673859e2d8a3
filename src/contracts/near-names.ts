/** Which of the known names a person or a model may have meant by a wrong one. Pure. */

/** Names longer than this are compared by their beginning: a file may hold anything. */
const COMPARED = 80;

/** At most `count` of `known` that are near to `wrong`, nearest first. */
export function nearNames(wrong: string, known: readonly string[], count = 3): string[] {
  const from = simple(wrong);
  const bound = Math.max(2, Math.floor(from.length / 3));
  return known
    .map((name) => ({ name, distance: distanceOf(from, simple(name)) }))
    .filter(({ distance }) => distance <= bound)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, count)
    .map(({ name }) => name);
}

/** ` Did you mean "x"?`, with its leading space, or nothing where no name is near. */
export function didYouMean(wrong: string, known: readonly string[]): string {
  const [name] = nearNames(wrong, known, 1);
  return name === undefined ? '' : ` Did you mean "${name}"?`;
}

/** Both mix up case, "-", "_", and what a framework puts before a name. */
function simple(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .slice(0, COMPARED);
}

function distanceOf(a: string, b: string): number {
  if (a.length > 2 && b.length > 2 && (a.includes(b) || b.includes(a))) return 1;
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
