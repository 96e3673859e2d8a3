import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clean, oneLine, StreamCleaner } from '../../../src/cli/render/clean.js';

const ESC = '\u001b';
const rows: [title: string, text: string, shown: string][] = [
  ['colours', `a${ESC}[31;1mred${ESC}[0m b`, 'ared b'],
  ['cursor and screen', `x${ESC}[2J${ESC}[1;1Hy`, 'xy'],
  ['window title', `${ESC}]0;evil\u0007ok`, 'ok'],
  ['link', `${ESC}]8;;http://evil${ESC}\\text${ESC}]8;;${ESC}\\`, 'text'],
  ['clipboard', `${ESC}]52;c;ZXZpbA==\u0007ok`, 'ok'],
  ['device control string', `${ESC}P1$r${ESC}\\ok`, 'ok'],
  ['8-bit controls', '\u009b31mred\u0085', 'red'],
  ['a sequence that never ends', `a${ESC}]0;text that goes on`, 'a0;text that goes on'],
  ['carriage return and backspace', 'good\rbad\b\b', 'goodbad'],
  ['bell, NUL, DEL', 'a\u0007b\u0000c\u007f', 'abc'],
  ['text that runs the other way', 'a\u202eb\u2066c\u200fd', 'abcd'],
  ['half a character', 'a\ud800b', 'a\ufffdb'],
  ['tabs, newlines, other languages', 'ä\t世界\n👩‍👩‍👧', 'ä\t世界\n👩‍👩‍👧'],
];

describe('clean: nothing but text reaches the terminal', () => {
  it.each(rows)('%s', (_, text, shown) => {
    expect(clean(text)).toBe(shown);
  });

  it.each(rows)('%s, in pieces → the same', (_, text, shown) => {
    const cleaner = new StreamCleaner();
    const units = text.split('');
    expect(units.map((unit) => cleaner.push(unit)).join('') + cleaner.end()).toBe(shown);
  });

  it('any text, cut anywhere → no control character but tab and newline', () => {
    const unit = fc.oneof(
      fc.constantFrom(
        ESC,
        '[',
        ']',
        '3',
        '1',
        'm',
        ';',
        '\u0007',
        '\\',
        '\u009b',
        '\n',
        'P',
        '\ud83d',
        '\ude00',
      ),
      fc.string({ unit: 'binary', maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 60 }), (pieces) => {
        const cleaner = new StreamCleaner();
        const shown = pieces.map((piece) => cleaner.push(piece)).join('') + cleaner.end();
        expect(shown).not.toMatch(
          /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/,
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('an endless sequence → bounded memory, and text that appears', () => {
    const cleaner = new StreamCleaner();
    let shown = cleaner.push(`${ESC}]0;`);
    for (let i = 0; i < 1_000; i++) shown += cleaner.push('abc');
    expect(shown.length).toBeGreaterThan(2_500);
  });
});

describe('oneLine', () => {
  it('whitespace → one space; long → cut with "…"', () => {
    expect(oneLine('  a\n\n b\tc ')).toBe('a b c');
    expect(oneLine('x'.repeat(50), 10)).toBe(`${'x'.repeat(9)}…`);
    expect(oneLine('👩'.repeat(50), 3)).toBe('👩👩…');
  });
});
