/**
 * What is noted beside the turn: pauses, and signals that were refused. One write after another,
 * or the catalogue would show the wrong state. A sender does not wait for it.
 */
import { uuid4 } from '@temporalio/workflow';
import type { RecordStateInput, RefusedSignal } from '../../src/contracts/activities.js';
import type { AgentState } from '../../src/contracts/state.js';
import type { ShortCalls } from './calls.js';
import { until } from './waiting.js';

/** Refusals that one write takes. More than a flood of them is left to the log. */
const REFUSALS_A_WRITE = 20;
const MOST_REFUSALS = 200;

/** The session as it is at this moment. */
export type CurrentState = () => { readonly state: AgentState; readonly turn: number };

export class Journal {
  readonly #calls: Pick<ShortCalls, 'recordState' | 'recordRefusals'>;
  readonly #current: CurrentState;
  readonly #warn: (text: string) => void;
  readonly #refusals: RefusedSignal[] = [];
  /** Pauses and resumptions that no event tells yet, in their order. */
  #said: AgentState[] = [];
  /** The catalogue may have another state than the session. */
  #changed = false;
  /** A state was written beside the turn, which may come after what the turn itself writes. */
  #besideTurn = false;
  #writing = false;
  /** Stage of the model call that a pause is to reach. */
  #series: number | undefined;

  constructor(
    calls: Pick<ShortCalls, 'recordState' | 'recordRefusals'>,
    current: CurrentState,
    warn: (text: string) => void,
  ) {
    this.#calls = calls;
    this.#current = current;
    this.#warn = warn;
  }

  /**
   * Somebody has paused or resumed the session. Resolves when that is written. `series` is the stage of
   * a model call under way that may make several steps: a pause tells it to make no further one.
   */
  async stateChanged(series?: number): Promise<void> {
    const { state } = this.#current();
    this.#said.push(state);
    this.#series = state === 'paused' ? series : undefined;
    this.#changed = true;
    await this.#write();
  }

  /**
   * A turn is over, and its last activity has written so. A pause that was written at the same time
   * may have come behind it: then the state is written once more.
   */
  turnOver(): void {
    if (!this.#besideTurn && !this.#writing) return;
    this.#besideTurn = false;
    this.#changed = true;
    void this.#write();
  }

  refused(refusal: RefusedSignal): void {
    if (this.#refusals.length < MOST_REFUSALS) this.#refusals.push(refusal);
    void this.#write();
  }

  /** Whether all that was noted is written. */
  get quiet(): boolean {
    return !this.#writing;
  }

  /** Resolves when all that was noted is written. */
  written(): Promise<void> {
    return until(() => this.quiet);
  }

  async #write(): Promise<void> {
    if (this.#writing) return this.written();
    this.#writing = true;
    try {
      while (this.#changed || this.#refusals.length > 0) {
        if (this.#changed) await this.#writeState();
        else {
          const refused = this.#refusals.splice(0, REFUSALS_A_WRITE);
          await this.#calls.recordRefusals({ key: uuid4(), refused });
        }
      }
    } catch (error) {
      // An error of a signal handler would end the workflow; the end of it is noted by itself.
      this.#said = [];
      this.#changed = false;
      this.#refusals.length = 0;
      this.#warn(`A change of state could not be recorded: ${String(error)}`);
    } finally {
      this.#writing = false;
    }
  }

  /** An event for each change, and for the catalogue what is true when the write begins. */
  async #writeState(): Promise<void> {
    const said = this.#said;
    this.#said = [];
    this.#changed = false;
    const { state, turn } = this.#current();
    const series = this.#series;
    this.#series = undefined;
    const told = series === undefined ? {} : { series };
    await this.#calls.recordState({ key: uuid4(), state, turn, said, ...told });
    // A turn has begun or ended meanwhile, or ends later: its own write may come before this one.
    const { state: now } = this.#current();
    this.#besideTurn = now === 'running' || now === 'paused';
    if (now !== state) this.#changed = true;
  }
}

/** As versions before 0.2 noted states: each one, in the order in which it came. */
export class LegacyJournal {
  readonly #record: (input: RecordStateInput) => Promise<unknown>;
  readonly #current: CurrentState;
  readonly #warn: (text: string) => void;
  #noted: Promise<void> = Promise.resolve();

  constructor(
    record: (input: RecordStateInput) => Promise<unknown>,
    current: CurrentState,
    warn: (text: string) => void,
  ) {
    this.#record = record;
    this.#current = current;
    this.#warn = warn;
  }

  async stateChanged(): Promise<void> {
    const { state, turn } = this.#current();
    this.#noted = this.#noted.then(async () => {
      try {
        await this.#record({ key: uuid4(), state, turn });
      } catch (error) {
        this.#warn(`A change of state could not be recorded: ${String(error)}`);
      }
    });
    await this.#noted;
  }

  /** Handlers wait for what they have noted, so that nothing goes on beside them. */
  readonly quiet = true;

  /** As {@link quiet}. */
  written(): Promise<void> {
    return Promise.resolve();
  }

  turnOver(): void {}

  refused(): void {}
}
