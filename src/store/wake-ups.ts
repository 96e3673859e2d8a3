/**
 * Wakes the readers of what was written. In the commit itself NOTIFY holds PostgreSQL's database-wide
 * notification lock until that commit is on disk: all sessions would write one after the other. So
 * under load one statement at a time, after the commits, wakes all channels that wait by then. A write
 * that is alone in its process wakes in its commit: that saves the statement and its time, and the
 * lock holds up nobody of this process. What nobody waits for (a step has begun, a tool has ended)
 * waits for company. A wake-up may be lost with its process: readers look at the store now and then
 * (client/reader-hub.ts).
 */
import type pg from 'pg';

const NOTIFY = {
  name: 'perdura-wake',
  text: `select pg_notify(channel, json_build_object('type', 'wake', 'n', n)::text)
    from unnest($1::text[], $2::bigint[]) as waiting(channel, n)`,
};

/** A wake-up that is not urgent waits so long for others, ms. */
const GATHER_MS = 20;

/** A write under way, and how it wakes the readers. */
export interface WakingWrite {
  /** It is to wake in its own commit. */
  readonly wakes: boolean;
  /** It is written: events up to number `n` are in the store. */
  wake(n: number): void;
  /** It is over, written or not. */
  end(): void;
}

export class WakeUps {
  readonly #pool: pg.Pool;
  /** The newest event by channel. */
  #waiting = new Map<string, number>();
  #urgent = false;
  #timer: NodeJS.Timeout | undefined;
  #writes = 0;
  #sending: Promise<void> | undefined;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** A write begins whose events wake this channel. `urgent`: somebody waits for them. */
  beginWrite(channel: string, urgent: boolean): WakingWrite {
    const wakes = this.#writes === 0 && this.#sending === undefined;
    this.#writes += 1;
    return {
      wakes,
      wake: (n) => {
        if (!wakes) this.wake(channel, n, { urgent });
        else if ((this.#waiting.get(channel) ?? 0) <= n) this.#waiting.delete(channel);
      },
      end: () => void (this.#writes -= 1),
    };
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
        this.#timer = undefined;
        this.#urgent = this.#waiting.size > 0;
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
