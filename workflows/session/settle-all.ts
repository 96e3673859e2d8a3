/** Runs several things: all at once, or one after the other. */

/** Resolves when each has ended, however it ended, with the ends in the order of `runs`. */
export async function settleAll<T>(
  runs: readonly (() => Promise<T>)[],
  sequential = false,
): Promise<PromiseSettledResult<T>[]> {
  if (!sequential) return Promise.allSettled(runs.map((run) => run()));
  const settled: PromiseSettledResult<T>[] = [];
  for (const run of runs) settled.push(...(await Promise.allSettled([run()])));
  return settled;
}
