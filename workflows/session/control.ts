/**
 * What stops a session: interrupt (the turn), pause (before the next step), terminate (for good).
 * Here the turn under way is stopped; that it has stopped is written by the loop.
 */
import { CancellationScope } from '@temporalio/workflow';
import type { InterruptReceipt } from '../../src/contracts/session.js';
import type { SessionRun } from './session-run.js';
import type { Turn } from './turn.js';
import { condition, until } from './waiting.js';

/** Deadline for a call to stop after a notification, ms. In histories of earlier versions only. */
const LEGACY_HEARD_MS = 1_000;

export class Control {
  /** The turn under way, or the one that continue-as-new carried here, is to stop. */
  interruption: { reason?: string; rollback?: true } | undefined;
  readonly #run: SessionRun;
  #current: { readonly turn: Turn; readonly scope: CancellationScope } | undefined;
  /** Stage of the model call that was told that a message waits to join. */
  #told: number | undefined;

  constructor(run: SessionRun) {
    this.#run = run;
  }

  /** The turn that can be stopped from now on, by cancelling the scope it runs in. */
  turnBegins(turn: Turn, scope: CancellationScope): void {
    this.#current = { turn, scope };
    // It was carried here, and interrupted before it could go on.
    this.heed();
  }

  /** Whether a turn is under way. */
  get inTurn(): boolean {
    return this.#current !== undefined;
  }

  turnOver(): void {
    this.#current = undefined;
    this.interruption = undefined;
  }

  /** Cancels the turn if it was interrupted: nothing of it starts after this. */
  heed(): void {
    if (this.interruption) this.#current?.scope.cancel();
  }

  /** A message stops the turn under way. With `rollback` the turn is forgotten, too. */
  stopFor(messageId: string, rollback: boolean): void {
    const before = this.interruption;
    this.interruption = {
      ...(before ?? { reason: `message ${messageId} came` }),
      ...(rollback ? { rollback } : {}),
    };
    if (!before) this.#run.beside(this.#stopTurn());
  }

  /**
   * A message waits to join the turn: a model call that makes several steps is told once to end its
   * series. When that is lost, the series ends by itself. It is not tried again: whether an activity
   * has failed yet when the next message comes is not the same at replay in every case.
   */
  steer(): void {
    const stage = this.#current?.turn.position.series;
    if (stage === undefined || stage === this.#told) return;
    this.#told = stage;
    this.#run.beside(
      CancellationScope.nonCancellable(() =>
        this.#run.regular.steer({ stage }).catch(() => undefined),
      ),
    );
  }

  async interrupt(reason: string | undefined): Promise<InterruptReceipt> {
    this.#run.handles('update');
    if (!this.#run.settings) await this.#run.ready();
    const { state } = this.#run;
    const { turn } = state;
    if (!state.open) return { interrupted: false, turn };
    this.interruption ??= reason === undefined ? {} : { reason };
    await this.#stopTurn();
    await until(() => state.turn !== turn || !state.open || this.#run.leaving);
    return { interrupted: true, turn };
  }

  /** As a signal, which nobody waits for and which must not throw. */
  async interruptSignalled(reason: string | undefined): Promise<void> {
    this.#run.handles('signal');
    if (!this.#run.settings && (await this.#run.opened)) return;
    if (!this.#run.state.open) return;
    this.interruption ??= reason === undefined ? {} : { reason };
    await this.#stopTurn();
  }

  /** Drops what waits of a group, and stops a turn on its messages. A signal: must not throw. */
  async stopGroup(group: unknown): Promise<void> {
    this.#run.handles('signal');
    if (typeof group !== 'string' || group === '' || group.length > 128) return;
    if (!this.#run.settings && (await this.#run.opened)) return;
    const { state } = this.#run;
    const reason = 'The group was stopped.';
    for (const { id } of state.stopGroup(group)) this.#run.refuse(reason, id, 'cancelled');
    if (state.open?.group !== group) return;
    this.interruption ??= { reason };
    await this.#stopTurn();
  }

  async pause(move: 'pause' | 'resume'): Promise<void> {
    this.#run.handles('signal');
    if (!this.#run.settings && (await this.#run.opened)) return;
    const { machine } = this.#run.state;
    if (!machine.can(move)) return;
    machine.apply(move);
    this.#run.show();
    await this.#run.journal.stateChanged(this.#current?.turn.position.series);
  }

  async terminate(reason: unknown): Promise<void> {
    this.#run.handles('signal');
    if (this.#run.ending) return;
    const given = readEnd(reason);
    this.#run.ending = given.reason === undefined ? {} : { reason: given.reason };
    // The run that ends it waits for no answer.
    if (given.by !== undefined) this.#run.state.dropReplies(given.by);
    if (!this.#run.state.open) return;
    this.interruption ??= this.#run.ending;
    await this.#stopTurn();
  }

  /**
   * Stops what the turn is doing: Temporal's cancellation goes out with this task, whatever becomes
   * of the notification. The notification follows, because a model call or a tool hears of it at
   * once, and of the cancellation with its next heartbeat. In this order the command to cancel is
   * in the history before the call can end because of it: Temporal's test server never recovers
   * from the other order.
   */
  async #stopTurn(): Promise<void> {
    const current = this.#current;
    if (!current) return;
    if (this.#run.legacy) return this.#stopLegacyTurn(current);
    const { listening } = current.turn.position;
    current.scope.cancel();
    if (!listening) return;
    await CancellationScope.nonCancellable(() =>
      this.#run.regular.notify({ turn: this.#run.state.turn }).catch(() => undefined),
    );
  }

  /** As versions before 0.2 did: the notification first. */
  #stopLegacyTurn(current: { readonly turn: Turn; readonly scope: CancellationScope }) {
    return CancellationScope.nonCancellable(async () => {
      const over = () => this.#current !== current;
      if (current.turn.position.listening) {
        await this.#run.calls
          .publishInterrupt({ turn: this.#run.state.turn })
          .catch(() => undefined);
        await condition(() => over() || !current.turn.position.listening, LEGACY_HEARD_MS);
      }
      if (!over()) current.scope.cancel();
    });
  }
}

/** Text, or what a session says that ends its sub-agent. */
function readEnd(given: unknown): { readonly reason?: string; readonly by?: string } {
  if (typeof given === 'string') return given === '' ? {} : { reason: given };
  if (typeof given !== 'object' || given === null) return {};
  const { reason, by } = given as { reason?: unknown; by?: unknown };
  return {
    ...(typeof reason === 'string' && reason !== '' ? { reason } : {}),
    ...(typeof by === 'string' ? { by } : {}),
  };
}
