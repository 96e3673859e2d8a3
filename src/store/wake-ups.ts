/**
 * Wakes the readers of what was written, after the commit. In the commit itself NOTIFY would hold
 * PostgreSQL's database-wide notification lock until that commit is on disk: all sessions would
 * write one after the other. One statement at a time wakes all channels that wait by then, and what
 * nobody waits for (a step has begun, a tool has ended) waits for company. A wake-up may be lost with its process: readers look at the store now and then (client/reader-hub.ts).
 */
import type pg from 'pg';

const NOTIFY = {
  name: 'perdura-wake',
  text: `select pg_notify(channel, json_build_object('type', 'wake', 'n', n)::text)
    from unnest($1::text[], $2::bigint[]) as waiting(channel, n)`,
};

/** A wake-up that is not urgent waits so long for others, ms. */
const GATHER_MS = 10;

export class WakeUps {
  readonly #pool: pg.Pool;
  /** The newest event by channel. */
  #waiting = new Map<string, number>();
  #urgent = false;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** Events up to number `n` are in the store. Never rejects and never waits. */
  wake(channel: string, n: number, { urgent = true }: { readonly urgent?: boolean } = {}): void {
    this.#waiting.set(channel, Math.max(n, this.#waiting.get(channel) ?? 0));
    this.#urgent ||= urgent;
    this.#schedule();
  }

  /** Resolves when all that waits has been sent, or is lost. */
  async settled(): Promise<void> {
    while (this.#sending !== undefined || this.#waiting.size > 0) {
      this.#urgent = true;
      this.#schedule();
      await this.#sending;
    }
  }

  #schedule(): void {
    // What is being sent now looks again when it is done.
    if (this.#sending !== undefined || this.#waiting.size === 0) return;
    if (!this.#urgent) {
      this.#timer ??= setTimeout(() => {
        this.#urgent = true;
        this.#schedule();
      }, GATHER_MS);
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sending = this.#send();
  }

  async #send(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = new Map();
    this.#urgent = false;
    const values = [[...batch.keys()], [...batch.values()]];
    await this.#pool.query({ ...NOTIFY, values }).catch(() => undefined);
    this.#sending = undefined;
    this.#schedule();
  }
}
