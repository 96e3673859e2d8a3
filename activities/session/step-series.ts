/**
 * Series of steps within one activity, and where they hear that a message waits to join the turn. The
 * notification comes over the live bus and may be lost; then the series ends by itself, and the
 * message joins later.
 */
import type { SessionKey } from '../../src/contracts/ids.js';
import type { LiveBus } from '../../src/live/bus.js';

/** A notification is remembered for so long, ms: it may come before the activity has begun. */
const REMEMBERED_MS = 10_000;

/** The steps that one activity makes. */
export interface StepSeries {
  /** A message waits: no further step. */
  readonly steered: boolean;
}

interface Running extends StepSeries {
  readonly stage: number;
  steered: boolean;
}

/** The series of one worker, by session. */
export class StepSeriesDesk {
  readonly #bus: Pick<LiveBus, 'onControl'>;
  readonly #running = new Map<string, Set<Running>>();
  /** The newest stage of each session that was told, as an object of its own: see `#remember`. */
  readonly #told = new Map<string, { readonly stage: number }>();
  #listening: Promise<unknown> | undefined;

  constructor(bus: Pick<LiveBus, 'onControl'>) {
    this.#bus = bus;
  }

  /** Resolves when notifications reach this worker; after the first call at once. */
  async ready(): Promise<void> {
    await (this.#listening ??= this.#listen());
  }

  /** Begins a series; `end` it with {@link end}. Stages name the activities of a session. */
  begin(key: SessionKey, stage: number): StepSeries {
    const name = nameOf(key);
    const series: Running = { stage, steered: this.#told.get(name)?.stage === stage };
    this.#running.set(name, (this.#running.get(name) ?? new Set()).add(series));
    return series;
  }

  end(key: SessionKey, series: StepSeries): void {
    const name = nameOf(key);
    const running = this.#running.get(name);
    running?.delete(series as Running);
    if (running?.size === 0) this.#running.delete(name);
  }

  async #listen(): Promise<void> {
    await this.#bus.onControl((key, message) => {
      if (message.type !== 'steer') return;
      const name = nameOf(key);
      this.#remember(name, { stage: message.stage });
      for (const series of this.#running.get(name) ?? []) {
        if (series.stage === message.stage) series.steered = true;
      }
    });
  }

  #remember(name: string, told: { readonly stage: number }): void {
    this.#told.set(name, told);
    setTimeout(() => {
      // A later one may have taken the place, and has a timer of its own.
      if (this.#told.get(name) === told) this.#told.delete(name);
    }, REMEMBERED_MS).unref();
  }
}

function nameOf({ tenant, session }: SessionKey): string {
  return `${tenant}.${session}`;
}
