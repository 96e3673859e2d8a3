/**
 * A mark on errors: the tool's effect cannot have happened, because what would have run it was
 * never reached. Decides whether a `once` tool failed or its outcome is unknown. A mark and
 * not a class, so that any error can carry it within one process; it never crosses Temporal.
 */
const marked = new WeakSet<object>();

/** Marks `error`, and returns it. */
export function markNotStarted<E extends object>(error: E): E {
  marked.add(error);
  return error;
}

/** Whether nothing has run. */
export function wasNotStarted(error: unknown): boolean {
  return typeof error === 'object' && error !== null && marked.has(error);
}
