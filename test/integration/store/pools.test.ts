/** What the functions `pool_*` promise, whoever calls them in which order. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { SlotGrant } from '../../../src/contracts/pool.js';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { migrate } from '../../../src/store/migrate.js';
import { PoolStore, type SlotRequest } from '../../../src/store/pool-store.js';
import { StoredSession } from '../../support/store.js';

let database: Database;
let pools: PoolStore;
let pool: string;
const granted: SlotGrant[] = [];
const onGranted = (grants: readonly SlotGrant[]) => void granted.push(...grants);

beforeAll(async () => {
  const url = inject('databaseUrl');
  await migrate(url);
  database = openDatabase(url);
  pools = new PoolStore(database, { onGranted });
});
afterAll(() => database.close());
beforeEach(() => {
  pool = `p-${randomUUID()}`;
  granted.length = 0;
});

/** What an activity of the session asks for; `tenant/session` names it. */
function request(name: string, more: Partial<SlotRequest> = {}): SlotRequest {
  const [tenant = '', session = ''] = name.split('/');
  return {
    pool,
    tenant: `${pool}-${tenant}`,
    session,
    workflowId: `w-${name}`,
    agent: 'assistant',
    run: 'run',
    turn: 1,
    stage: 1,
    attempt: 1,
    priority: 0,
    leaseMs: 60_000,
    ...more,
  };
}
const take = (name: string, more?: Partial<SlotRequest>) => pools.take(request(name, more));
const leave = (name: string, more?: Partial<SlotRequest>) => {
  const { tenant, session, turn, run, stage } = request(name, more);
  return pools.leave({ tenant, session, turn, run, stage });
};
const nameOf = ({ tenant, session }: { tenant: string; session: string }) =>
  `${tenant.slice(pool.length + 1)}/${session}`;
const told = () => granted.splice(0).map(nameOf);
const line = async () => (await pools.members(pool, { state: 'waiting', limit: 100 })).map(nameOf);
const atWork = async () =>
  (await pools.members(pool, { state: 'working', limit: 100 })).map(nameOf).sort();
/** As if so much time had passed for the leases of these. */
const age = (name: string, ms: number) => {
  const { tenant, session } = request(name);
  return database.pool.query(
    `update perdura.pool_claims set lease_until = lease_until - $3 * interval '1 ms',
       signal_at = signal_at - $3 * interval '1 ms' where tenant = $1 and session = $2`,
    [tenant, session, ms],
  );
};

describe('a pool', () => {
  it('slots free → held at once; none → a place in line with the reason, and the next in line is told', async () => {
    await pools.create({ name: pool, maxAtWork: 2 });
    expect(await take('a/1')).toEqual({ held: true });
    expect(await take('a/2')).toMatchObject({ held: true });
    expect(await take('a/3')).toEqual({
      held: false,
      queued: { pool, position: 1, reason: 'the pool has 2 of 2 at work' },
    });
    expect(await take('a/4')).toMatchObject({ queued: { position: 2 } });
    expect(told()).toEqual([]);
    await leave('a/1');
    expect(told()).toEqual(['a/3']);
    expect(await take('a/3', { stage: 2 })).toEqual({
      held: true,
      waitedMs: expect.any(Number) as number,
    });
    expect(await line()).toEqual(['a/4']);
  });

  it('unknown → Pool.Unknown with the agent; a second of the name → Pool.Exists', async () => {
    await expect(take('a/1')).rejects.toMatchObject({
      type: 'Pool.Unknown',
      message: expect.stringContaining('The agent "assistant" works in the pool') as string,
    });
    await pools.create({ name: pool, maxAtWork: 1 });
    await expect(pools.create({ name: pool, maxAtWork: 1 })).rejects.toMatchObject({
      type: 'Pool.Exists',
    });
    await expect(pools.change(`${pool}-other`, { maxAtWork: 1 })).rejects.toMatchObject({
      type: 'Pool.Unknown',
    });
  });

  it('a tenant at its limit → waits with that reason although slots are free; another tenant does not', async () => {
    await pools.create({
      name: pool,
      maxAtWork: 4,
      maxPerTenant: 1,
      tenants: { [`${pool}-b`]: 2 },
    });
    await take('a/1');
    expect(await take('a/2')).toMatchObject({
      queued: { position: 1, reason: 'the tenant has 1 of 1 at work' },
    });
    await take('b/1');
    expect(await take('b/2')).toMatchObject({ held: true });
    expect(await take('b/3')).toMatchObject({
      queued: { reason: 'the tenant has 2 of 2 at work' },
    });
  });

  it('one slot, a tenant with ten in line before another comes → tenants take turns', async () => {
    await pools.create({ name: pool, maxAtWork: 1 });
    for (let i = 0; i < 10; i++) await take(`a/${i}`);
    await take('b/0');
    await take('b/1');
    const order: string[] = [];
    for (let next = 'a/0', stage = 2; order.length < 5; stage++) {
      await leave(next, { stage });
      [next = ''] = told();
      order.push(next);
      await take(next, { stage });
    }
    expect(order).toEqual(['b/0', 'a/1', 'b/1', 'a/2', 'a/3']);
  });

  it('a tenant that had slots for longer than another → counts as if it had more at work, up to its share', async () => {
    await pools.create({ name: pool, maxAtWork: 4 });
    for (const tenant of 'ab') for (let i = 0; i < 8; i++) await take(`${tenant}/${i}`);
    const since = (name: string, seconds: number) => {
      const { tenant, session } = request(name);
      return database.pool.query(
        `update perdura.pool_claims set granted_at = granted_at - $3 * interval '1 s'
           where tenant = $1 and session = $2`,
        [tenant, session, seconds],
      );
    };
    const busy = await atWork();
    const ofB = busy.filter((name) => name.startsWith('b'));
    // `a` came first, and has all four.
    expect(ofB).toEqual([]);
    for (const name of busy) await leave(name);
    expect((await atWork()).filter((name) => name.startsWith('a'))).toHaveLength(2);
    // One of them for a minute: the next two slots go to the other.
    const [first, second] = (await atWork()).filter((name) => name.startsWith('a'));
    await since(first!, 60);
    await leave(first!);
    await leave(second!);
    expect((await atWork()).filter((name) => name.startsWith('a'))).toHaveLength(1);
  });

  it('an attempt that takes the slot of one that died → the time of death is not held against its tenant', async () => {
    await pools.create({ name: pool, maxAtWork: 1 });
    await take('a/1');
    await database.pool.query(
      `update perdura.pool_claims set granted_at = granted_at - interval '1 hour',
         lease_until = lease_until - interval '1 minute' where pool = $1`,
      [pool],
    );
    await take('a/1', { attempt: 2 });
    const { rows } = await database.pool.query<{ s: number }>(
      `select extract(epoch from clock_timestamp() - granted_at)::int as s
         from perdura.pool_claims where pool = $1`,
      [pool],
    );
    expect(rows[0]!.s).toBeGreaterThan(3_500);
    expect(rows[0]!.s).toBeLessThan(3_545);
  });

  it('a priority → overtakes the line of its tenant by a minute a point, and no other tenant', async () => {
    await pools.create({ name: pool, maxAtWork: 1 });
    await take('a/0');
    await take('a/1');
    await take('b/1');
    await take('a/2', { priority: 5 });
    expect(await line()).toEqual(['b/1', 'a/2', 'a/1']);
    const { tenant } = request('a/1');
    expect(await pools.prioritise(pool, { tenant, session: '1' }, 9)).toBe(true);
    expect(await line()).toEqual(['b/1', 'a/1', 'a/2']);
    expect(await pools.prioritise(pool, { tenant, session: '0' }, 9)).toBe(false);
  });

  it('limits changed: higher → those in line are told at once; lower → those at work stay, none follows', async () => {
    await pools.create({ name: pool, maxAtWork: 1 });
    for (const name of ['a/1', 'a/2', 'a/3', 'a/4']) await take(name);
    await pools.change(pool, { maxAtWork: 3 });
    expect(told()).toEqual(['a/2', 'a/3']);
    await pools.change(pool, { maxAtWork: 0 });
    await leave('a/1');
    expect(told()).toEqual([]);
    expect(await take('a/4', { stage: 2 })).toMatchObject({
      queued: { reason: 'the pool is held: its maximum is 0' },
    });
    await pools.change(pool, { maxAtWork: 9, maxPerTenant: 3 });
    expect(told()).toEqual(['a/4']);
    await pools.change(pool, { maxPerTenant: null });
    expect(await take('a/5')).toMatchObject({ held: true });
  });

  it('declared again with the same limits → a change at run time stands; with others → those count', async () => {
    await pools.declare([{ name: pool, maxAtWork: 2 }]);
    await pools.change(pool, { maxAtWork: 7 });
    await pools.declare([{ name: pool, maxAtWork: 2 }]);
    expect(await pools.get(pool)).toMatchObject({ maxAtWork: 7, declared: true });
    await pools.declare([{ name: pool, maxAtWork: 3, maxPerTenant: 1 }]);
    expect(await pools.get(pool)).toMatchObject({ maxAtWork: 3, maxPerTenant: 1 });
  });
});

describe('what goes wrong', () => {
  it('a holder that renews its lease no more → the slot comes back with the next look at the pool', async () => {
    await pools.create({ name: pool, maxAtWork: 1 });
    await take('a/1');
    await take('a/2');
    expect(await pools.sweep([pool])).toBe(2);
    expect(told()).toEqual([]);
    await age('a/1', 61_000);
    await pools.sweep([pool]);
    expect(told()).toEqual(['a/2']);
    const { tenant } = request('a/1');
    expect(await pools.renew({ tenant, session: '1', turn: 1 }, 1_000)).toBe(false);
    expect(await take('a/1')).toMatchObject({ held: false });
  });

  it('a lease that is over and given to nobody → its holder still has the slot', async () => {
    await pools.create({ name: pool, maxAtWork: 1 });
    await take('a/1');
    await age('a/1', 61_000);
    expect(await take('a/1')).toEqual({ held: true });
  });

  it('a signal that was lost → told again, not before its time', async () => {
    await pools.create({ name: pool, maxAtWork: 1 });
    await take('a/1');
    await take('a/2');
    await leave('a/1');
    expect(told()).toEqual(['a/2']);
    await pools.sweep([pool]);
    expect(told()).toEqual([]);
    await age('a/2', 6_000);
    await pools.sweep([pool]);
    expect(told()).toEqual(['a/2']);
  });

  it('a slot that nobody takes → goes on, and who had it waits at the end of the line', async () => {
    await pools.create({ name: pool, maxAtWork: 1 });
    for (const name of ['a/1', 'a/2', 'a/3']) await take(name);
    await leave('a/1');
    await age('a/2', 61_000);
    await pools.sweep([pool]);
    expect(told()).toEqual(['a/2', 'a/3']);
    expect(await line()).toEqual(['a/2']);
  });

  it('a workflow that has closed → its slot goes to the next; what it asked for later stays', async () => {
    await pools.create({ name: pool, maxAtWork: 1 });
    for (const name of ['a/1', 'a/2', 'a/3']) await take(name);
    await leave('a/1');
    const [grant] = granted.splice(0);
    await pools.gone(grant!);
    expect(told()).toEqual(['a/3']);
    await take('a/3', { stage: 2 });
    await pools.gone({ ...grant!, session: '3' });
    expect(await atWork()).toEqual(['a/3']);
  });

  it('a late attempt or activity → refused, and undoes nothing', async () => {
    await pools.create({ name: pool, maxAtWork: 1 });
    await take('a/1', { stage: 3, attempt: 2 });
    for (const late of [{ stage: 3, attempt: 1 }, { stage: 2 }]) {
      await expect(take('a/1', late)).rejects.toMatchObject({ type: 'Store.Fenced' });
    }
    await leave('a/1', { stage: 2 });
    await leave('a/1', { stage: 9, turn: 0 });
    expect(await atWork()).toEqual(['a/1']);
    // Another run has taken the session over.
    expect(await take('a/1', { run: 'next', stage: 1 })).toMatchObject({ held: true });
  });

  it('a run that was taken over → neither takes nor leaves what its successor has', async () => {
    await pools.create({ name: pool, maxAtWork: 1 });
    const session = await StoredSession.open(database);
    const { tenant, session: id } = session.key;
    const mine = { tenant, session: id };
    await take('a/1');
    const { store, channel } = session;
    await store.append(session.writer({ run: 'next', stage: 1 }), { channel });
    expect(await take('x/1', { ...mine, run: 'next' })).toMatchObject({ held: false });
    await expect(take('x/1', { ...mine, stage: 9 })).rejects.toMatchObject({
      type: 'Store.Fenced',
    });
    await leave('x/1', { ...mine, stage: 9 });
    expect(await pools.get(pool)).toMatchObject({ atWork: 1, waiting: 1 });
    await leave('x/1', { ...mine, run: 'next', stage: 9 });
    expect(await pools.get(pool)).toMatchObject({ atWork: 1, waiting: 0 });
  });

  it('an agent of another pool goes on → the slot of the first pool is free', async () => {
    const other = `${pool}-2`;
    await pools.create({ name: pool, maxAtWork: 1 });
    await pools.create({ name: other, maxAtWork: 1 });
    await take('a/1');
    await take('a/2');
    await take('a/1', { pool: other, stage: 2 });
    expect(told()).toEqual(['a/2']);
    expect(await pools.get(other)).toMatchObject({ atWork: 1 });
  });

  it('many at the same moment → never more than there may be, none forgotten', async () => {
    await pools.create({ name: pool, maxAtWork: 3 });
    const names = Array.from({ length: 40 }, (_, i) => `${'abcd'[i % 4]}/${i}`);
    const taken = await Promise.all(names.map((name) => take(name)));
    expect(taken.filter(({ held }) => held)).toHaveLength(3);
    let done = 0;
    for (let stage = 2; done < names.length; stage++) {
      const busy = await atWork();
      expect(busy.length).toBeLessThanOrEqual(3);
      // Each takes its slot, twice, and gives it back, twice.
      await Promise.all(busy.flatMap((name) => [take(name, { stage }), take(name, { stage })]));
      await Promise.all(busy.flatMap((name) => [leave(name, { stage }), leave(name, { stage })]));
      done += busy.length;
    }
    expect(await pools.get(pool)).toMatchObject({ atWork: 0, waiting: 0 });
  });
});

it('the write that ends a turn → gives the slot back in the same commit, and a late one does not', async () => {
  await pools.create({ name: pool, maxAtWork: 1 });
  const session = await StoredSession.open(database);
  await session.say('hello');
  const { tenant, session: name } = session.key;
  await take('x/1', { tenant, session: name, stage: 1 });
  await take('a/2');
  const { store, channel } = session;
  await store.append(session.writer({ stage: 2 }), { channel });
  await expect(
    store.append(session.writer({ stage: 1 }), { channel, leave: { turn: 1 } }),
  ).rejects.toMatchObject({ type: 'Store.Fenced' });
  expect(await pools.get(pool)).toMatchObject({ atWork: 1, waiting: 1 });
  const { grants } = await store.append(session.writer({ stage: 2 }), {
    channel,
    leave: { turn: 1 },
  });
  expect(grants).toMatchObject([{ session: '2', workflowId: 'w-a/2', stage: 1 }]);
  expect(await atWork()).toEqual(['a/2']);
});

const move = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant('take'), who: fc.nat(11) }) },
  { weight: 5, arbitrary: fc.record({ what: fc.constant('leave'), who: fc.nat(11) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('die'), who: fc.nat(11) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('limit'), who: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('sweep'), who: fc.constant(0) }) },
);

describe('what can happen', () => {
  it('H9 any order → never above a limit that has not sunk, no slot free while one may have it, and all come to their turn', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(move, { maxLength: 40 }), async (moves) => {
        pool = `p-${randomUUID()}`;
        granted.length = 0;
        const name = (who: number) => `${'abc'[who % 3]}/${who}`;
        const stages = new Map<string, number>();
        const asks = (who: number) => {
          const stage = (stages.get(name(who)) ?? 0) + 1;
          stages.set(name(who), stage);
          return { stage, priority: who - 5 };
        };
        let max = 2;
        let highest = max;
        await pools.create({ name: pool, maxAtWork: max, maxPerTenant: 2 });
        for (const { what, who } of moves) {
          if (what === 'take') await take(name(who), asks(who));
          else if (what === 'leave') await leave(name(who), asks(who));
          else if (what === 'die') await age(name(who), 61_000);
          else if (what === 'sweep') await pools.sweep([pool]);
          else {
            max = who;
            await pools.change(pool, { maxAtWork: max });
          }
          const { atWork: busy, waiting, byTenant } = (await pools.get(pool))!;
          // What was at work when a limit sank goes on.
          highest = Math.max(max, Math.min(highest, busy));
          expect(busy).toBeLessThanOrEqual(highest);
          for (const tenant of byTenant) expect(tenant.atWork).toBeLessThanOrEqual(2);
          if (busy < max) {
            const idle = byTenant.filter(({ atWork, waiting: left }) => left > 0 && atWork < 2);
            expect(idle, `${busy} of ${max} at work, ${waiting} wait`).toEqual([]);
          }
        }
        // No starvation: whoever waits gets a slot, however the others are favoured.
        await pools.change(pool, { maxAtWork: 1 });
        for (let round = 0; (await line()).length > 0; round++) {
          expect(round).toBeLessThan(30);
          for (const busy of await atWork()) await leave(busy, asks(Number(busy.split('/')[1])));
        }
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });
});
