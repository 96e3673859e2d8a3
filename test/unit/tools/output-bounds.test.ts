import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RawContentPart } from '../../../src/contracts/tool.js';
import { boundOutput } from '../../../src/tools/output-bounds.js';

const text = (value: string): RawContentPart => ({ type: 'text', text: value });
const shownText = (parts: readonly RawContentPart[]) =>
  parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
const MARKER = /\n\[… ([\d,]+) bytes left out; .*"offset":(\d+)\}\)\]\n/;

describe('boundOutput', () => {
  it('F19 output: that fits → shown as it is', () => {
    const parts = [text('a'), text('b')];
    const bounded = boundOutput(parts, 3);
    expect(bounded).toMatchObject({ needsArtifact: false, bytes: 3, fullText: 'a\nb' });
    expect(bounded.show()).toBe(parts);
  });

  it('F19 output: 3 MB → head, marker with the way to the rest, tail', () => {
    const long = Array.from({ length: 300_000 }, (_, i) => `line ${i}`).join('\n');
    const bounded = boundOutput([text(long)], 16 * 1024);
    expect(bounded.needsArtifact).toBe(true);
    const shown = shownText(bounded.show('art_x'));
    expect(shown.startsWith('line 0\nline 1\n')).toBe(true);
    expect(shown.endsWith('line 299999')).toBe(true);
    expect(shown).toMatch(
      /\[… [\d,]{9} bytes left out; the whole output is artifact art_x: read it with read_artifact\(\{"artifact":"art_x","offset":\d+\}\)\]/,
    );
  });

  it('F19 output: too large without an artifact → says that the rest was not kept', () => {
    expect(shownText(boundOutput([text('x'.repeat(999))], 200).show())).toMatch(/were not kept/);
  });

  it('F19 output: images beside long text → stay; resources → become lines of the whole text', () => {
    const image: RawContentPart = { type: 'image', mediaType: 'image/png', data: 'AAAA' };
    const link: RawContentPart = { type: 'resource', uri: 'file:///a', name: 'a' };
    const bounded = boundOutput([text('x'.repeat(500)), image, link], 300);
    expect(bounded.fullText).toMatch(/\[resource file:\/\/\/a \(a\)\]$/);
    expect(bounded.show('art_1')[1]).toBe(image);
  });

  it('F19 output: any text and any bound → whole characters, within the bound, nothing invented', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 400 }), { maxLength: 4 }),
        fc.integer({ min: 0, max: 1_500 }),
        (texts, maxBytes) => {
          const { needsArtifact, fullText, show, bytes } = boundOutput(texts.map(text), maxBytes);
          const shown = shownText(show('art_x'));
          expect(fullText).toBe(texts.join('\n'));
          if (!needsArtifact) {
            expect(shown).toBe(fullText);
            expect(bytes).toBeLessThanOrEqual(maxBytes);
            return;
          }
          expect(shown).not.toMatch(/\p{Surrogate}/u);
          const found = MARKER.exec(shown)!;
          const head = shown.slice(0, found.index);
          const tail = shown.slice(found.index + found[0].length);
          expect(fullText.startsWith(head)).toBe(true);
          expect(fullText.endsWith(tail)).toBe(true);
          expect(Number(found[2])).toBe(Buffer.byteLength(head));
          const leftOut = Number(found[1]!.replaceAll(',', ''));
          expect(Buffer.byteLength(head) + leftOut + Buffer.byteLength(tail)).toBe(bytes);
          expect(Buffer.byteLength(shown)).toBeLessThanOrEqual(
            Math.max(maxBytes, Buffer.byteLength(found[0])),
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});
