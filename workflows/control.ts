/**
 * What stops a session: interrupt (the turn), pause (before the next step), terminate (for good).
 * Here the turn under way is told to stop; that it has stopped is written by the loop.
 */
import { CancellationScope, condition, log, uuid4 } from '@temporalio/workflow';
import type { InterruptReceipt } from '../src/contracts/session.js';
import { local } from './calls.js';
import type { SessionRun } from './session-run.js';
import { until, type Turn } from './turn.js';

/** In so many ms what was told to stop has stopped. */
const HEARD_MS = 1_000;

export class Control {
  /** The turn under way, or the one that continue-as-new carried here, is to stop. */
  interruption: { reason?: string } | undefined;
  readonly #run: SessionRun;
  #current: { readonly turn: Turn; readonly scope: CancellationScope } | undefined;
  /** Changes of state are noted one after another, or the catalogue would show the wrong one. */
  #noted: Promise<void> = Promise.resolve();

  constructor(run: SessionRun) {
    this.#run = run;
  }

  /** The turn that can be stopped from now on, by cancelling the scope it runs in. */
  turnBegins(turn: Turn, scope: CancellationScope): void {
    this.#current = { turn, scope };
    // It was carried here, and interrupted before it could go on.
    this.heed();
  }

  turnOver(): void {
    this.#current = undefined;
    this.interruption = undefined;
  }

  /** Cancels the turn if it was told to stop: nothing of it begins after this. */
  heed(): void {
    if (this.interruption) this.#current?.scope.cancel();
  }

  async interrupt(reason: string | undefined): Promise<InterruptReceipt> {
    this.#run.updates += 1;
    if (!this.#run.policy) await this.#run.ready();
    const { state } = this.#run;
    const { turn } = state;
    if (!state.open) return { interrupted: false, turn };
    this.interruption ??= reason === undefined ? {} : { reason };
    await this.#stopTurn();
    await until(() => state.turn !== turn || !state.open || this.#run.leaving);
    return { interrupted: true, turn };
  }

  async pause(move: 'pause' | 'resume'): Promise<void> {
    this.#run.signals += 1;
    if (!this.#run.policy && (await this.#run.opened)) return;
    const { machine, turn } = this.#run.state;
    if (!machine.can(move)) return;
    const state = machine.apply(move);
    this.#run.show();
    this.#noted = this.#noted.then(async () => {
      try {
        await local.recordState({ key: uuid4(), state, turn });
      } catch (error) {
        // An error of a signal handler would end the workflow; the end of it is noted by itself.
        log.warn('state not recorded', { ...this.#run.key, state, error });
      }
    });
    await this.#noted;
  }

  async terminate(reason: unknown): Promise<void> {
    this.#run.signals += 1;
    if (this.#run.ending) return;
    this.#run.ending = typeof reason === 'string' && reason !== '' ? { reason } : {};
    if (!this.#run.state.open) return;
    this.interruption ??= this.#run.ending;
    await this.#stopTurn();
  }

  /**
   * Stops what the turn is doing. A model call or a tool hears of it at once over the bus;
   * Temporal's cancellation would reach it with its next heartbeat, and comes second, for what
   * has not begun. Not both together: the call would end while the command to cancel it is on
   * its way, and Temporal's test server never recovers from that.
   */
  #stopTurn(): Promise<void> {
    return CancellationScope.nonCancellable(async () => {
      const current = this.#current;
      if (!current) return;
      const over = () => this.#current !== current;
      if (current.turn.listening) {
        await local.publishInterrupt({ turn: this.#run.state.turn }).catch(() => undefined);
        await condition(() => over() || !current.turn.listening, HEARD_MS);
      }
      if (!over()) current.scope.cancel();
    });
  }
}
