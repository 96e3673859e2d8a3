/**
 * Embeddings without a model: the same text has the same vector, and texts that share parts of words
 * are near each other. Enough to see and to test that vectors work, whatever the inflection or the
 * spelling; of meaning it knows nothing.
 */

const DEFAULT_DIMENSIONS = 256;
const GRAM = 3;

/** By hashed character trigrams of each word, of length 1. A text without letters is a vector of zeros. */
export function textEmbedding(text: string, dimensions = DEFAULT_DIMENSIONS): number[] {
  const vector = new Array<number>(dimensions).fill(0);
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  for (const [word] of plain.matchAll(/[\p{L}\p{N}]+/gu)) {
    const characters = [...` ${word} `];
    for (let i = 0; i + GRAM <= characters.length; i++) {
      const hash = fnv1a32(characters.slice(i, i + GRAM).join(''));
      // Signed, so that what falls on the same place by chance cancels out on average.
      vector[(hash >>> 1) % dimensions]! += hash & 1 ? 1 : -1;
    }
  }
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((n) => n / length);
}

/** http://www.isthe.com/chongo/tech/comp/fnv/ */
function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
