/** The slot of a pool that a turn works in: asked for with a step, given back where the turn stands still. */
import type { QueuedFor } from '../../src/contracts/pool.js';
import type { TurnPosition } from './turn-position.js';

export class TurnSlot {
  readonly #position: TurnPosition;
  /** Since when it has waited for a slot, ms since the epoch; `undefined` where it has one. */
  #waitsSince: number | undefined;

  constructor(position: TurnPosition) {
    this.#position = position;
    const { state } = position.around;
    const { slot } = state.open!;
    // Carried here in line: whether it has been told meanwhile, it asks again.
    if (slot?.queued) state.open = { ...state.open!, slot: { pool: slot.pool } };
  }

  /** A step was made: the turn has its slot, or needs none. */
  entered(): void {
    this.#waitsSince = undefined;
  }

  /** Whether it waits in line: not where it was told of its slot meanwhile. */
  get queued(): boolean {
    const { open, granted } = this.#position.around.state;
    const queued = open?.slot?.queued;
    return queued !== undefined && granted < queued.stage;
  }

  /** An activity was told to wait in line; the same step is made again later. */
  queue(stage: number, { pool, position, reason }: QueuedFor): void {
    const { state } = this.#position.around;
    const since = (this.#waitsSince ??= Date.now());
    state.open = { ...state.open!, slot: { pool, queued: { position, reason, since, stage } } };
    this.#position.around.onWaiting();
  }

  /** The activity that follows takes a slot of the agent's pool, or the one that it was told of. */
  take(): void {
    const { state, pool } = this.#position.around;
    const { slot } = state.open!;
    if (pool === undefined || (slot?.pool === pool && !slot.queued)) return;
    state.open = { ...state.open!, slot: { pool } };
    if (slot?.queued) this.#position.around.onWaiting();
  }

  /** Gives the slot back, or leaves the line: the turn stands still, and others can work. */
  async leave(): Promise<void> {
    const { state, calls: short } = this.#position.around;
    if (!state.open?.slot) return;
    const { turn, stage } = this.#position.place();
    await short.leavePool({ turn, stage });
    const { slot: _left, ...rest } = state.open;
    state.open = rest;
  }
}
