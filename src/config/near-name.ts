/** "Did you mean …": which known name is nearest to a wrong one. Pure. */

/** ` Did you mean "x"?`, with its leading space, or nothing where no name is near. */
export function didYouMean(wrong: string, known: readonly string[]): string {
  const name = nearestName(wrong, known);
  return name === undefined ? '' : ` Did you mean "${name}"?`;
}

/** The name with the fewest edits from `wrong`, at most a third of its letters. */
export function nearestName(wrong: string, known: readonly string[]): string | undefined {
  const from = simple(wrong);
  let best: string | undefined;
  let least = Math.max(1, Math.floor(from.length / 3)) + 1;
  for (const name of known) {
    const edits = editDistance(from, simple(name));
    if (edits < least) [best, least] = [name, edits];
  }
  return best;
}

/** People mix up case, "-" and "_". Cut, since names in a file may be of any length. */
function simple(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, '').slice(0, 80);
}

/** Levenshtein, one row at a time. */
function editDistance(a: string, b: string): number {
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
