/** The other end of process-supervisor.ts: how a child ends with its parent. */

/**
 * Ends this process when its parent is gone, after `shutDown` or `graceMs`
 * (default 10,000), whichever comes first. Does nothing in a process that was not forked.
 */
export function exitWithParent(shutDown: () => Promise<void>, graceMs = 10_000): void {
  if (!process.channel) return;
  process.once('disconnect', () => {
    setTimeout(() => process.exit(1), graceMs).unref();
    void shutDown()
      .catch(() => undefined)
      .then(() => process.exit(0));
  });
}
