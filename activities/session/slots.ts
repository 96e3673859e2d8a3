/**
 * Slots of pools, as activities take them: before a model call, once for the steps that an activity
 * makes, and kept while it runs. Agents without a pool come by here without a statement.
 */
import type { Agent } from '../../src/contracts/agent.js';
import type { PoolReference, QueuedFor } from '../../src/contracts/pool.js';
import type { Pools } from '../../src/store/stores.js';
import type { ActivityDeps, ActivitySettings } from '../deps.js';
import type { Execution } from '../execution.js';

/** A lease is renewed so many times before it ends. */
const RENEWALS = 3;
/**
 * An attempt that has failed keeps its slot until the next one, ms: Temporal waits for at most
 * 30 s, or for as long as the provider asks, which is at most 60 s.
 */
const NEXT_ATTEMPT_MS = 90_000;

export interface SlotDeps extends Pick<ActivityDeps, 'pools' | 'poolSeen'> {
  readonly settings: Pick<ActivitySettings, 'poolLeaseMs'>;
}

/** The slot of one activity. */
export class Slot {
  /** How long the turn has waited in line for it, ms, where it has. Told once. */
  waitedMs: number | undefined;
  readonly pool: string;
  readonly #deps: SlotDeps;
  readonly #execution: Execution;
  readonly #agent: string;
  readonly #priority: number;
  readonly #place: { readonly turn: number; readonly stage: number };
  /** Until when it is ours, by this process's clock; not a moment longer than the store has it. */
  #until = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    deps: SlotDeps,
    execution: Execution,
    agent: { readonly name: string; readonly pool: PoolReference },
    place: { readonly turn: number; readonly stage: number },
  ) {
    this.#deps = deps;
    this.#execution = execution;
    this.#agent = agent.name;
    this.pool = agent.pool.name;
    this.#priority = agent.pool.priority ?? 0;
    this.#place = { turn: place.turn, stage: place.stage };
  }

  /**
   * Resolves with nothing when there is a slot, and it is kept from now on until {@link end}; with the
   * place in line where there is none. To be asked before each model call: one statement, or none
   * while the lease has not ended. Rejects with `Pool.Unknown` and `Store.Fenced`.
   */
  async enter(): Promise<QueuedFor | undefined> {
    if (performance.now() < this.#until) return undefined;
    const { pools, settings, poolSeen } = this.#deps;
    const { key, workflowId, run, attempt } = this.#execution;
    poolSeen(this.pool);
    const asked = performance.now();
    const taken = await pools.take({
      ...key,
      ...this.#place,
      pool: this.pool,
      workflowId,
      agent: this.#agent,
      run,
      attempt,
      priority: this.#priority,
      leaseMs: settings.poolLeaseMs,
    });
    if (!taken.held) return taken.queued;
    this.waitedMs = taken.waitedMs;
    this.#until = asked + settings.poolLeaseMs;
    this.#keep();
    return undefined;
  }

  /** Gives it back, or leaves the line. */
  async leave(): Promise<void> {
    this.#stop();
    const { key, run } = this.#execution;
    await this.#deps.pools.leave({ ...key, ...this.#place, run });
  }

  /** The activity ends. The turn goes on, or what it has written has given the slot back. */
  end(): void {
    this.#stop();
  }

  /** The attempt has failed: the next one has the slot. Never rejects. */
  async keepForNext(): Promise<void> {
    if (this.#until === 0) return;
    this.#stop();
    const { key } = this.#execution;
    const { turn } = this.#place;
    await this.#deps.pools.renew({ ...key, turn }, NEXT_ATTEMPT_MS).catch(() => undefined);
  }

  #keep(): void {
    this.#timer ??= keepSlot(this.#deps, this.#execution, this.#place.turn, (until) => {
      this.#until = until;
    });
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** The slot that an agent needs for the model calls of an activity; `undefined` without a pool. */
export function slotOf(
  deps: SlotDeps,
  execution: Execution,
  agent: Agent,
  place: { readonly turn: number; readonly stage: number },
): Slot | undefined {
  const { name, pool } = agent;
  return pool ? new Slot(deps, execution, { name, pool }, place) : undefined;
}

/**
 * Renews the lease of a turn's slot until the timer is cleared. `told` hears until when it is ours
 * (by `performance.now`): 0 where it has been given away.
 */
export function keepSlot(
  { pools, settings }: { readonly pools: Pick<Pools, 'renew'> } & Pick<SlotDeps, 'settings'>,
  { key }: Pick<Execution, 'key'>,
  turn: number,
  told: (until: number) => void = () => undefined,
): NodeJS.Timeout {
  const { poolLeaseMs } = settings;
  const renew = async () => {
    const asked = performance.now();
    const ours = await pools.renew({ ...key, turn }, poolLeaseMs);
    told(ours ? asked + poolLeaseMs : 0);
  };
  // A store that is away answers nothing: the lease ends when it ends.
  return setInterval(() => void renew().catch(() => undefined), poolLeaseMs / RENEWALS);
}
