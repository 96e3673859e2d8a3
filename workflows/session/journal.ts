/**
 * What is noted beside the turn: pauses, and signals that were refused. One write after another,
 * or the catalogue would show the wrong state. Whoever notes does not wait.
 */
import { uuid4 } from '@temporalio/workflow';
import type { RecordStateInput, RefusedSignal } from '../../src/contracts/activities.js';
import type { AgentState } from '../../src/contracts/state.js';
import type { ShortCalls } from './calls.js';
import { until } from './waiting.js';

/** Refusals that one write takes. More than a flood leaves them to the log. */
const REFUSALS_A_WRITE = 20;
const MOST_REFUSALS = 200;

export class Journal {
  readonly #calls: Pick<ShortCalls, 'recordState' | 'recordRefusals'>;
  readonly #warn: (text: string) => void;
  readonly #states: RecordStateInput[] = [];
  readonly #refusals: RefusedSignal[] = [];
  #writing = false;

  constructor(
    calls: Pick<ShortCalls, 'recordState' | 'recordRefusals'>,
    warn: (text: string) => void,
  ) {
    this.#calls = calls;
    this.#warn = warn;
  }

  /** Notes a change of state that no other activity notes. Resolves when it is written. */
  async state(state: AgentState, turn: number): Promise<void> {
    this.#states.push({ key: uuid4(), state, turn });
    await this.#write();
  }

  refused(refusal: RefusedSignal): void {
    if (this.#refusals.length < MOST_REFUSALS) this.#refusals.push(refusal);
    void this.#write();
  }

  /** Resolves when all that was noted is written. */
  written(): Promise<void> {
    return until(() => !this.#writing);
  }

  async #write(): Promise<void> {
    if (this.#writing) return this.written();
    this.#writing = true;
    try {
      for (;;) {
        const state = this.#states.shift();
        if (state) await this.#calls.recordState(state);
        else if (this.#refusals.length > 0) {
          const refused = this.#refusals.splice(0, REFUSALS_A_WRITE);
          await this.#calls.recordRefusals({ key: uuid4(), refused });
        } else return;
      }
    } catch (error) {
      // An error of a signal handler would end the workflow; the end of it is noted by itself.
      this.#states.length = 0;
      this.#refusals.length = 0;
      this.#warn(`A change of state could not be recorded: ${String(error)}`);
    } finally {
      this.#writing = false;
    }
  }
}
