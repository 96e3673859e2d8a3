import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toJson } from '../../../src/store/json.js';
import { wellFormed } from '../../../src/contracts/message.js';

describe('toJson', () => {
  it('any value → the same value, without NUL and halves of pairs', () => {
    const unit = fc.constantFrom(
      '\\',
      'u',
      '0',
      'd',
      '8',
      '"',
      '\u0000',
      '\ud83d',
      '\ude00',
      '😀',
      '\n',
      'a',
    );
    fc.assert(
      fc.property(fc.array(fc.string({ unit, maxLength: 40 })), (texts) => {
        const json = toJson({ texts });
        expect(json).not.toMatch(/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/i);
        expect(JSON.parse(json)).toEqual({ texts: texts.map(wellFormed) });
      }),
    );
  });

  it('a long row of backslashes → linear time', () => {
    const long = `${'\\'.repeat(300_000)}\u0000`;
    const started = performance.now();
    expect(JSON.parse(toJson(long))).toBe(wellFormed(long));
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
