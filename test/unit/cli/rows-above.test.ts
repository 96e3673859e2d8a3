import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RowsAbove } from '../../../src/cli/render/rows-above.js';

/** The rows that stand above the line being typed, after each piece has been written. */
function written(pieces: readonly string[], columns = 20): string[] {
  const above = new RowsAbove(columns);
  const rows: string[] = [];
  for (const piece of pieces) {
    const { up, rows: more } = above.add(piece);
    if (up > 0) rows.pop();
    rows.push(...more.split('\n').slice(0, -1));
  }
  return rows;
}

describe('rows above the line being typed', () => {
  it('whole lines → as they are', () => {
    expect(written(['Ann: hello\n', '(paused)\n'])).toEqual(['Ann: hello', '(paused)']);
  });

  it('words as they come → one row that grows, broken behind a space', () => {
    const pieces = ['The quick ', 'brown fox ju', 'mps over', ' the dog\n', 'next'];
    expect(written(pieces)).toEqual(['The quick brown fox', 'jumps over the dog', 'next']);
  });

  it('a word that is longer than a row → broken in its middle', () => {
    expect(written(['x'.repeat(45), 'y\n'])).toEqual([
      'x'.repeat(19),
      'x'.repeat(19),
      `${'x'.repeat(7)}y`,
    ]);
  });

  it('styles take no room, wide characters take two columns', () => {
    expect(written([`\u001b[2m${'x'.repeat(18)}\u001b[22m`])).toHaveLength(1);
    expect(written(['漢'.repeat(10)])).toEqual(['漢'.repeat(9), '漢']);
  });

  it('any text, cut anyhow → every character once and in order, an unfinished row shorter than the terminal', () => {
    const piece = fc.stringMatching(/^[ a-z\n]{0,30}$/);
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const rows = written(pieces);
        const squeeze = (text: string) => text.replace(/\s+/g, '');
        expect(squeeze(rows.join(''))).toBe(squeeze(pieces.join('')));
        const unfinished = !pieces.join('').endsWith('\n');
        if (unfinished) expect((rows.at(-1) ?? '').length).toBeLessThan(20);
      }),
    );
  });
});
