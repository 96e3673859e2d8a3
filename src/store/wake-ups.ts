/**
 * Wakes the readers of what was written, after the commit. In the commit itself NOTIFY would hold
 * PostgreSQL's database-wide notification lock until that commit is on disk: all sessions would
 * write one after the other. One statement at a time wakes all channels that wait by then. A wake-up
 * may be lost with its process: readers look at the store now and then (client/reader-hub.ts).
 */
import type pg from 'pg';

const NOTIFY = {
  name: 'perdura-wake',
  text: `select pg_notify(channel, json_build_object('type', 'wake', 'n', n)::text)
    from unnest($1::text[], $2::bigint[]) as waiting(channel, n)`,
};

export class WakeUps {
  readonly #pool: pg.Pool;
  /** The newest event by channel. */
  #waiting = new Map<string, number>();
  #sending: Promise<void> | undefined;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** Events up to number `n` are in the store. Never rejects and never waits. */
  wake(channel: string, n: number): void {
    this.#waiting.set(channel, Math.max(n, this.#waiting.get(channel) ?? 0));
    this.#sending ??= this.#send();
  }

  /** Resolves when all that waits has been sent, or is lost. */
  async settled(): Promise<void> {
    await this.#sending;
  }

  async #send(): Promise<void> {
    while (this.#waiting.size > 0) {
      const batch = this.#waiting;
      this.#waiting = new Map();
      const values = [[...batch.keys()], [...batch.values()]];
      await this.#pool.query({ ...NOTIFY, values }).catch(() => undefined);
    }
    this.#sending = undefined;
  }
}
