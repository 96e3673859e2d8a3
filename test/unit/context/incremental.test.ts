import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { incremental } from '../../../src/llm/incremental.js';

interface Item {
  readonly n: number;
}

/** Sums, and how many items were looked at for them. */
function summing() {
  const looked = { at: 0 };
  const sum = incremental<Item, number>((before = 0, since) => {
    looked.at += since.length;
    return since.reduce((total, { n }) => total + n, before);
  });
  return { sum, looked };
}

const item = (n: number): Item => ({ n });

describe('incremental', () => {
  it('a list that grows → only what is new is looked at', () => {
    const { sum, looked } = summing();
    let items = [item(1), item(2)];
    for (let n = 3; n <= 50; n++) {
      items = [...items, item(n)];
      expect(sum(items)).toBe((n * (n + 1)) / 2);
    }
    expect(looked.at).toBe(50);
  });

  it('its last item replaced as it grows → the rest is not looked at again', () => {
    const { sum, looked } = summing();
    let items: Item[] = [item(1)];
    sum(items);
    for (let round = 0; round < 20; round++) {
      sum([...items, item(7)]);
      items = [...items, item(7), item(8)];
      sum(items);
    }
    expect(sum(items)).toBe(1 + 20 * 15);
    expect(looked.at).toBe(1 + 20 * 3);
  });

  it('lists with the same items changed, cut, mixed in any order → as if each were the first', () => {
    const pool = Array.from({ length: 6 }, (_, n) => item(n));
    const lists = fc.array(fc.array(fc.constantFrom(...pool), { maxLength: 8 }), { maxLength: 20 });
    fc.assert(
      fc.property(lists, (all) => {
        const order = incremental<Item, readonly number[]>((before = [], since) =>
          before.concat(since.map(({ n }) => n)),
        );
        for (const list of all) expect(order(list)).toEqual(list.map(({ n }) => n));
      }),
    );
  });

  it('the whole list is there for what cannot go on from its beginning', () => {
    const last = incremental<Item, readonly Item[]>((_, since, all) => [...all, ...since]);
    const items = [item(1), item(2)];
    last(items.slice(0, 1));
    expect(last(items)).toEqual([...items, items[1]]);
    expect(last([])).toEqual([]);
  });
});
