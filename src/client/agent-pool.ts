/**
 * A pool of agents: how many are at work at once, who waits, and why.
 *
 *     const pool = runtime.pool('gpu');
 *     await pool.setLimits({ maxAtWork: 4 });
 *     for (const { session, position, reason } of await pool.waiting()) …
 *
 * A pool belongs to the operator and spans tenants. Its limits and counts are those of all; the agents
 * that it lists are those of the tenant of the runtime, unless all are asked for.
 */
import { PerduraError } from '../contracts/failures.js';
import { isTenant } from '../contracts/ids.js';
import {
  isPoolName,
  MOST_AT_WORK,
  MOST_POOL_TENANTS,
  MOST_PRIORITY,
  type PoolLimits,
} from '../contracts/pool.js';
import { wellFormed } from '../contracts/text.js';
import type { PoolMember, PoolRecord } from '../store/pool-store.js';
import type { Pools } from '../store/stores.js';

/** Limits to change; what is left out stays. */
export interface PoolLimitsChange {
  readonly maxAtWork?: number | undefined;
  /** `null`: no limit any more but that of the pool. */
  readonly maxPerTenant?: number | null | undefined;
  /** Takes the place of all that are set. `{}`: none. */
  readonly tenants?: Readonly<Record<string, number>> | undefined;
}

/** Which agents. */
export interface PoolMemberOptions {
  /** At most this many. 1 to 1,000, default 50. */
  readonly limit?: number | undefined;
  /** Behind so many. Default 0. */
  readonly offset?: number | undefined;
  /** Of all tenants, not only that of the runtime. Default false. */
  readonly allTenants?: boolean | undefined;
}

/** What a pool is made of. */
export interface PoolParts {
  readonly tenant: string;
  readonly pools: Pools;
}

export class AgentPool {
  readonly name: string;
  readonly #parts: PoolParts;

  /** Throws `Pool.Invalid` for a name that no pool can have. */
  constructor(parts: PoolParts, name: string) {
    if (!isPoolName(name)) {
      throw invalid(
        `${shown(name)} is not the name of a pool. Use 1 to 64 of A-Z, a-z, 0-9, "_" and "-".`,
      );
    }
    this.#parts = parts;
    this.name = name;
  }

  /** Makes a pool. Rejects with `Pool.Exists` and `Pool.Invalid`. */
  static async create(parts: PoolParts, name: string, limits: PoolLimits): Promise<AgentPool> {
    const pool = new AgentPool(parts, name);
    if (limits?.maxAtWork === undefined) throw invalid('"maxAtWork" is missing.');
    checkLimits(limits);
    const { maxAtWork, maxPerTenant, tenants } = limits;
    await parts.pools.create({
      name,
      maxAtWork,
      ...(maxPerTenant === undefined ? {} : { maxPerTenant }),
      ...(tenants === undefined ? {} : { tenants }),
    });
    return pool;
  }

  /** Limits, who is at work and how many wait, by tenant. Rejects with `Pool.Unknown`. */
  async status(): Promise<PoolRecord> {
    const record = await this.#parts.pools.get(this.name);
    if (record) return record;
    throw new PerduraError('Pool.Unknown', `There is no pool "${this.name}".`);
  }

  /** Agents in line, in the order in which they get a slot as things stand. */
  waiting(options: PoolMemberOptions = {}): Promise<PoolMember[]> {
    return this.#members('waiting', options);
  }

  /** Agents that have a slot, the oldest first. */
  working(options: PoolMemberOptions = {}): Promise<PoolMember[]> {
    return this.#members('working', options);
  }

  /**
   * Changes limits while agents run. With a lower one those at work finish their turns; with a higher
   * one those in line begin at once. It counts until the limits are changed in the configuration.
   * Rejects with `Pool.Unknown` and `Pool.Invalid`.
   */
  async setLimits(limits: PoolLimitsChange): Promise<PoolRecord> {
    checkLimits(limits);
    const { maxAtWork, maxPerTenant, tenants } = limits;
    await this.#parts.pools.change(this.name, { maxAtWork, maxPerTenant, tenants });
    return this.status();
  }

  /**
   * Moves an agent of the tenant that waits: a point is worth a minute of waiting. Answers with whether
   * it waits. Rejects with `Pool.Invalid`.
   */
  async prioritise(session: string, priority: number): Promise<boolean> {
    whole('priority', priority, -MOST_PRIORITY, MOST_PRIORITY);
    // PostgreSQL takes no text with these, so nothing of that name waits.
    if (session.includes('\0') || wellFormed(session) !== session) return false;
    const { tenant, pools } = this.#parts;
    return pools.prioritise(this.name, { tenant, session }, priority);
  }

  #members(
    state: 'waiting' | 'working',
    { limit = 50, offset = 0, allTenants = false }: PoolMemberOptions,
  ): Promise<PoolMember[]> {
    whole('limit', limit, 1, 1_000);
    whole('offset', offset, 0, Number.MAX_SAFE_INTEGER);
    const { tenant, pools } = this.#parts;
    return pools.members(this.name, {
      state,
      limit,
      offset,
      ...(allTenants ? {} : { tenant }),
    });
  }
}

/** Throws `Pool.Invalid` with the first thing that is wrong. */
function checkLimits(limits: PoolLimitsChange): void {
  if (typeof limits !== 'object' || limits === null) {
    throw invalid('The limits are an object with maxAtWork, maxPerTenant, tenants.');
  }
  const { maxAtWork, maxPerTenant, tenants } = limits;
  if (maxAtWork !== undefined) whole('maxAtWork', maxAtWork, 0, MOST_AT_WORK);
  if (maxPerTenant !== undefined && maxPerTenant !== null) {
    whole('maxPerTenant', maxPerTenant, 0, MOST_AT_WORK);
  }
  if (tenants === undefined) return;
  if (typeof tenants !== 'object' || tenants === null || Array.isArray(tenants)) {
    throw invalid('"tenants" is an object of limits by tenant.');
  }
  const all = Object.entries(tenants);
  if (all.length > MOST_POOL_TENANTS) {
    throw invalid(`"tenants" names ${all.length} tenants; there may be ${MOST_POOL_TENANTS}.`);
  }
  for (const [tenant, most] of all) {
    if (!isTenant(tenant)) throw invalid(`${shown(tenant)} is not the name of a tenant.`);
    whole(`tenants.${tenant}`, most, 0, MOST_AT_WORK);
  }
}

function whole(name: string, value: unknown, least: number, most: number): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  throw invalid(`"${name}" is ${shown(value)}. Use a whole number from ${least} to ${most}.`);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80));
  return typeof value === 'number' ? String(value) : `a ${typeof value}`;
}

function invalid(message: string): PerduraError {
  return new PerduraError('Pool.Invalid', message);
}
