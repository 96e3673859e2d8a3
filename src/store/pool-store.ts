/**
 * Pools of agents in PostgreSQL: limits, who is at work, who waits in line. What is given to whom is
 * decided by the functions `pool_*` in the database; this file only speaks to them.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { canonicalJson } from '../contracts/canonical-json.js';
import { PerduraError } from '../contracts/failures.js';
import type { SessionKey } from '../contracts/ids.js';
import {
  waitingReason,
  type Pool,
  type PoolLimits,
  type QueuedFor,
  type SlotGrant,
} from '../contracts/pool.js';
import type { Database } from './database.js';
import { toJson } from './json.js';
import type { PoolChange, PoolMemberFilter, Pools, StoreHooks } from './stores.js';

/** A pool as it is now. */
export interface PoolRecord extends PoolLimits {
  readonly name: string;
  /** Whether the configuration of a worker has declared it. */
  readonly declared: boolean;
  readonly atWork: number;
  readonly waiting: number;
  /** Those that are at work or wait, and those that were; by name. */
  readonly byTenant: readonly PoolTenant[];
}

/** The part of a tenant in a pool. */
export interface PoolTenant {
  readonly tenant: string;
  readonly atWork: number;
  readonly waiting: number;
  /** Most at work. */
  readonly max: number;
  /** Slots given so far. */
  readonly grants: number;
}

/** An agent that is at work or waits. */
export interface PoolMember extends SessionKey {
  readonly agent: string;
  readonly turn: number;
  readonly priority: number;
  /** Since when it has waited in this turn, or is at work; ISO 8601. */
  readonly since: string;
  /** In line, from 1; as {@link QueuedFor} has it. Of one that waits. */
  readonly position?: number;
  /** Why it waits. */
  readonly reason?: string;
}

/** The session, or the transcript of a workflow of an application, that holds a slot or waits. */
export interface SlotHolder extends SessionKey {
  /** What belongs to a later turn stays. */
  readonly turn: number;
}

/** What an activity asks for. */
export interface SlotRequest extends SlotHolder {
  readonly pool: string;
  readonly workflowId: string;
  readonly agent: string;
  readonly run: string;
  readonly stage: number;
  readonly attempt: number;
  readonly priority: number;
  /** After so many ms without a renewal the slot comes back. */
  readonly leaseMs: number;
}

/** A slot, or a place in line. */
export type SlotTaken =
  /** `waitedMs`: in line, where the slot is new. */
  | { readonly held: true; readonly waitedMs?: number }
  | { readonly held: false; readonly queued: QueuedFor };

interface Taken {
  readonly held: boolean;
  readonly waitedMs: number | null;
  readonly grants: readonly SlotGrant[];
  readonly fenced?: true;
  readonly unknown?: readonly string[];
}

interface PoolRow {
  readonly pool: string;
  readonly max_at_work: number;
  readonly max_per_tenant: number | null;
  readonly tenants: Readonly<Record<string, number>>;
  readonly declared: boolean;
  readonly by_tenant: readonly Omit<PoolTenant, 'max'>[];
}

interface MemberRow {
  readonly tenant: string;
  readonly session: string;
  readonly agent: string;
  readonly turn: number;
  readonly priority: number;
  readonly since: Date;
  readonly granted_at: Date | null;
  /** Numbers of PostgreSQL's `bigint` come as text. */
  readonly position: string;
  readonly at_work: string;
  readonly max_at_work: number;
  readonly tenant_at_work: string;
  readonly tenant_max: number;
}

/** Somebody may be given a slot between the question and the answer. */
const TRIES = 3;

export class PoolStore implements Pools {
  readonly #database: Database;
  readonly #onGranted: StoreHooks['onGranted'];

  constructor(database: Database, { onGranted }: StoreHooks = {}) {
    this.#database = database;
    this.#onGranted = onGranted;
  }

  async declare(pools: readonly Pool[]): Promise<void> {
    for (const { name, ...limits } of pools) {
      const all = { ...limits, maxPerTenant: limits.maxPerTenant ?? null };
      const tenants = limits.tenants ?? {};
      const text = canonicalJson({ ...all, tenants });
      const declared = createHash('sha256').update(text).digest('hex').slice(0, 16);
      await this.#set({ pool: name, ...all, tenants, declared });
    }
  }

  async create({ name, ...limits }: Pool): Promise<void> {
    const { exists } = await this.#set({ pool: name, ...limits, create: true });
    if (exists) throw new PerduraError('Pool.Exists', `There is already a pool "${name}".`);
  }

  async change(name: string, limits: PoolChange): Promise<void> {
    const { missing } = await this.#set({ pool: name, ...limits, create: false });
    if (missing) throw unknownPool(name, await this.#names());
  }

  async get(name: string): Promise<PoolRecord | undefined> {
    const [record] = await this.#records(name);
    return record;
  }

  async list(): Promise<PoolRecord[]> {
    return this.#records();
  }

  async take(request: SlotRequest): Promise<SlotTaken> {
    const { pool, tenant, session } = request;
    for (let tries = 1; ; tries++) {
      const taken = await this.#call<Taken>('pool_take', request);
      if (taken.unknown) throw unknownPool(pool, taken.unknown, request.agent);
      if (taken.fenced) {
        throw new PerduraError(
          'Store.Fenced',
          `Stage ${request.stage} of session ${session} is over: a later one has asked for a slot.`,
        );
      }
      if (taken.held) {
        return { held: true, ...(taken.waitedMs === null ? {} : { waitedMs: taken.waitedMs }) };
      }
      // Without the lock of the pool: a number for people must not hold up who works.
      const [place] = await this.#line(
        pool,
        sql`tenant = ${tenant} and session = ${session}`,
        1,
        0,
      );
      if (place?.position !== undefined) {
        const { position, reason = '' } = place;
        return { held: false, queued: { pool, position, reason } };
      }
      if (tries === TRIES) {
        return { held: false, queued: { pool, position: 1, reason: 'a slot is being given' } };
      }
    }
  }

  async renew({ tenant, session, turn }: SlotHolder, leaseMs: number): Promise<boolean> {
    const { numAffectedRows } = await sql`
      update perdura.pool_claims
        set lease_until = greatest(lease_until, clock_timestamp() + ${leaseMs} * interval '1 ms')
        where tenant = ${tenant} and session = ${session} and turn = ${turn}
          and state = 'held'`.execute(this.#database.db);
    return (numAffectedRows ?? 0n) > 0n;
  }

  async leave(holder: SlotHolder & { run?: string; stage?: number }): Promise<void> {
    const { tenant, session, turn, run, stage } = holder;
    this.#tell(await this.#ask('pool_leave', { tenant, session, turn, run, stage }));
  }

  async gone({ tenant, session, run, stage }: SlotGrant): Promise<void> {
    this.#tell(await this.#ask('pool_leave', { tenant, session, run, stage, gone: true }));
  }

  async sweep(pools: readonly string[]): Promise<number> {
    return (await this.#call<{ grants: SlotGrant[]; claims: number }>('pool_sweep', { pools }))
      .claims;
  }

  async members(
    pool: string,
    { tenant, state, limit, offset = 0 }: PoolMemberFilter,
  ): Promise<PoolMember[]> {
    const whose = tenant === undefined ? sql`true` : sql`tenant = ${tenant}`;
    if (state === 'waiting') return this.#line(pool, whose, limit, offset);
    const { rows } = await sql<MemberRow>`
      select tenant, session, agent, turn, priority, granted_at from perdura.pool_claims
        where pool = ${pool} and state <> 'waiting' and ${whose}
        order by granted_at, tenant, session limit ${limit} offset ${offset}`.execute(
      this.#database.db,
    );
    return rows.map(({ granted_at: since, ...row }) => ({
      ...memberOf(row),
      since: since!.toISOString(),
    }));
  }

  async prioritise(pool: string, { tenant, session }: SessionKey, priority: number) {
    const { numAffectedRows } = await sql`
      update perdura.pool_claims set priority = ${priority},
          rank = rank + (priority - ${priority}) * interval '1 minute'
        where tenant = ${tenant} and session = ${session} and pool = ${pool}
          and state = 'waiting'`.execute(this.#database.db);
    return (numAffectedRows ?? 0n) > 0n;
  }

  /** Those that wait, in the order in which they would get a slot as things stand. */
  async #line(
    pool: string,
    whose: ReturnType<typeof sql>,
    limit: number,
    offset: number,
  ): Promise<PoolMember[]> {
    const { rows } = await sql<MemberRow>`
      with busy as (select tenant, count(*) as n from perdura.pool_claims
          where pool = ${pool} and state <> 'waiting' group by tenant),
      line as (
        select c.*, o.max_at_work, coalesce(busy.n, 0) as tenant_at_work, t.last_grant,
            coalesce((o.tenants->>c.tenant)::int, o.max_per_tenant, o.max_at_work) as tenant_max,
            coalesce(busy.n, 0) + row_number() over (
              partition by c.tenant order by c.rank, c.session) as share
          from perdura.pool_claims c
          join perdura.pools o on o.pool = c.pool
          join perdura.pool_tenants t on t.pool = c.pool and t.tenant = c.tenant
          left join busy on busy.tenant = c.tenant
          where c.pool = ${pool} and c.state = 'waiting'),
      placed as (
        select line.*, (select coalesce(sum(n), 0) from busy) as at_work,
            -- Who is at the limit of its tenant waits longer than anybody who is not.
            row_number() over (order by share > tenant_max, share, last_grant, rank, tenant, session)
              as position
          from line)
      select tenant, session, agent, turn, priority, since, position, at_work, max_at_work,
          tenant_at_work, tenant_max
        from placed where ${whose} order by position limit ${limit} offset ${offset}`.execute(
      this.#database.db,
    );
    return rows.map((row) => ({
      ...memberOf(row),
      since: row.since.toISOString(),
      position: Number(row.position),
      reason: waitingReason({
        atWork: Number(row.at_work),
        maxAtWork: row.max_at_work,
        tenantAtWork: Number(row.tenant_at_work),
        tenantMax: row.tenant_max,
      }),
    }));
  }

  async #records(name?: string): Promise<PoolRecord[]> {
    const { rows } = await sql<PoolRow>`
      select o.pool, o.max_at_work, o.max_per_tenant, o.tenants, o.declared is not null as declared,
          (select coalesce(json_agg(json_build_object('tenant', t.tenant, 'grants', t.grants,
              'atWork', (select count(*) from perdura.pool_claims c where c.pool = o.pool
                and c.tenant = t.tenant and c.state <> 'waiting'),
              'waiting', (select count(*) from perdura.pool_claims c where c.pool = o.pool
                and c.tenant = t.tenant and c.state = 'waiting')) order by t.tenant), '[]')
            from perdura.pool_tenants t where t.pool = o.pool) as by_tenant
        from perdura.pools o
        where ${name === undefined ? sql`true` : sql`o.pool = ${name}`}
        order by o.pool`.execute(this.#database.db);
    return rows.map(recordOf);
  }

  async #names(): Promise<string[]> {
    const { rows } = await sql<{ pool: string }>`
      select pool from perdura.pools order by pool`.execute(this.#database.db);
    return rows.map(({ pool }) => pool);
  }

  #set(change: object): Promise<{ grants: SlotGrant[]; missing?: boolean; exists?: boolean }> {
    return this.#call('pool_set', change);
  }

  async #call<T extends { readonly grants: readonly SlotGrant[] }>(
    name: string,
    parameter: object,
  ): Promise<T> {
    const answer = await this.#ask<T>(name, parameter);
    this.#tell(answer.grants);
    return answer;
  }

  async #ask<T = readonly SlotGrant[]>(name: string, parameter: object): Promise<T> {
    const { rows } = await sql<{ answer: T }>`
      select ${sql.raw(`perdura.${name}`)}(${toJson(parameter)}::jsonb) as answer`.execute(
      this.#database.db,
    );
    return rows[0]!.answer;
  }

  #tell(grants: readonly SlotGrant[]): void {
    if (grants.length > 0) this.#onGranted?.(grants);
  }
}

function memberOf({
  tenant,
  session,
  agent,
  turn,
  priority,
}: Pick<MemberRow, 'tenant' | 'session' | 'agent' | 'turn' | 'priority'>) {
  return { tenant, session, agent, turn, priority };
}

function recordOf(row: PoolRow): PoolRecord {
  const { pool, max_at_work: maxAtWork, max_per_tenant: most, tenants, declared } = row;
  const byTenant = row.by_tenant.map((each) => ({
    ...each,
    max: tenants[each.tenant] ?? most ?? maxAtWork,
  }));
  const sum = (of: 'atWork' | 'waiting') => byTenant.reduce((n, each) => n + each[of], 0);
  return {
    name: pool,
    maxAtWork,
    ...(most === null ? {} : { maxPerTenant: most }),
    ...(Object.keys(tenants).length > 0 ? { tenants } : {}),
    declared,
    atWork: sum('atWork'),
    waiting: sum('waiting'),
    byTenant,
  };
}

function unknownPool(name: string, known: readonly string[], agent?: string): PerduraError {
  const who = agent === undefined ? '' : `The agent "${agent}" works in the pool "${name}". `;
  const there = known.length === 0 ? 'There are no pools' : `There are ${known.join(', ')}`;
  return new PerduraError('Pool.Unknown', `${who}There is no pool "${name}". ${there}.`);
}
