/**
 * Pools: how many agents are at work at once. An agent that names a pool takes a slot before it calls
 * its model, holds it over the steps of its turn, and waits in line where there is none. Pure.
 */

/** The pool of an agent. */
export interface PoolReference {
  readonly name: string;
  /**
   * Among the waiting agents of a tenant; a point is worth a minute of waiting, so that nobody waits
   * for ever. It gets no tenant ahead of another. Absent: 0.
   */
  readonly priority?: number;
}

/** How many may be at work. Changed while agents run: see `AgentPool`. */
export interface PoolLimits {
  /** Agents at work at once, of all tenants. 0 holds the pool: turns end, none begins. */
  readonly maxAtWork: number;
  /** Of one tenant. Absent: as many as the pool has. */
  readonly maxPerTenant?: number;
  /** In place of `maxPerTenant`, by tenant. Absent for none. */
  readonly tenants?: Readonly<Record<string, number>>;
}

/** A pool of the configuration. */
export interface Pool extends PoolLimits {
  readonly name: string;
}

/** Bounds of what a configuration and an `AgentPool` take. */
export const MOST_AT_WORK = 100_000;
export const MOST_PRIORITY = 1_000;
export const MOST_POOL_TENANTS = 1_000;

/** Whether `value` may be the name of a pool: 1 to 64 of `A-Z a-z 0-9 _ -`. */
export function isPoolName(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(value);
}

/** Why an agent waits, as things stood when it was asked. */
export interface QueuedFor {
  readonly pool: string;
  /** From 1. An estimate: a tenant with less at work may come in between. */
  readonly position: number;
  /** One clause, such as `the pool has 8 of 8 at work`. */
  readonly reason: string;
}

/** The same, in the status of a session. */
export interface WaitsForSlot extends QueuedFor {
  /** ms since the epoch. */
  readonly since: number;
}

/** Signal that tells a workflow of its slot. */
export const SLOT_SIGNAL = 'slot';

/** What it says. */
export interface SlotSignal {
  /** The session, or the transcript of a workflow of an application, that asked. */
  readonly session: string;
  /** Of the activity that was told to wait. A later one asks anew. */
  readonly stage: number;
}

/** A slot that was given to an agent in line: whoever gave it sends the signal. */
export interface SlotGrant extends SlotSignal {
  readonly pool: string;
  readonly tenant: string;
  readonly workflowId: string;
  /** Run id of the workflow that asked. */
  readonly run: string;
}

/** Numbers of which {@link waitingReason} speaks. */
export interface PoolLoad {
  readonly atWork: number;
  readonly maxAtWork: number;
  /** Of the tenant of the agent that waits. */
  readonly tenantAtWork: number;
  /** The pool's where the tenant has no maximum of its own. */
  readonly tenantMax: number;
}

/** Why an agent waits. */
export function waitingReason(load: PoolLoad): string {
  const { atWork, maxAtWork, tenantAtWork, tenantMax } = load;
  if (maxAtWork === 0) return 'the pool is held: its maximum is 0';
  if (tenantMax === 0) return 'the tenant is held: its maximum is 0';
  if (atWork >= maxAtWork) return `the pool has ${atWork} of ${maxAtWork} at work`;
  if (tenantAtWork >= tenantMax) return `the tenant has ${tenantAtWork} of ${tenantMax} at work`;
  return 'a slot is being given';
}
