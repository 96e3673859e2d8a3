/**
 * What is computed of a list again and again, while the list mostly grows at its end: a
 * transcript from call to call. Only what is new is looked at; what there was before is
 * compared by identity, so a list that has changed elsewhere is computed anew.
 */

/** A value of the list's first `length` items. */
interface Checkpoint<S> {
  readonly length: number;
  readonly value: S;
}

interface Known<T, S> {
  readonly items: readonly T[];
  /** Ascending, one or two. */
  readonly checkpoints: readonly Checkpoint<S>[];
}

/**
 * The value of `all`, of the value `before` that its beginning had and the items that came
 * `since`; `before` is undefined when there is none. Must not change what others see of them.
 */
export type Extend<T, S> = (before: S | undefined, since: readonly T[], all: readonly T[]) => S;

/**
 * Makes a function of lists incremental. A list is recognised by its first item, and what is
 * known of it is kept for as long as that item is in use elsewhere.
 */
export function incremental<T extends object, S>(extend: Extend<T, S>): (items: readonly T[]) => S {
  const lists = new WeakMap<T, Known<T, S>>();
  return (items) => {
    const first = items[0];
    if (!first) return extend(undefined, items, items);
    const known = lists.get(first);
    const shared = known ? sharedLength(known.items, items) : 0;
    const from = known?.checkpoints.findLast(({ length }) => length <= shared);
    if (from?.length === items.length) return from.value;
    const value = extend(from?.value, items.slice(from?.length ?? 0), items);
    const to = { length: items.length, value };
    // The one before is kept, because the end of a list may be replaced: a message is first in
    // memory, and then as the store has it.
    lists.set(first, { items, checkpoints: from ? [from, to] : [to] });
    return value;
  };
}

function sharedLength(some: readonly unknown[], others: readonly unknown[]): number {
  if (some === others) return some.length;
  const most = Math.min(some.length, others.length);
  let length = 0;
  while (length < most && some[length] === others[length]) length++;
  return length;
}
