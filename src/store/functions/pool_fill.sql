/*
 * perdura.pool_fill(p): gives the free slots of a pool to those in line. Every change of a pool ends
 * with it, under the lock of the pool's row, so that no slot is free while somebody may have it, and
 * none is given twice. The rule of append.sql about earlier versions applies.
 *
 * A slot goes to the tenant with the least at work; among those, to the one that has waited longest
 * for a slot of its own (so that tenants take turns where a pool is smaller than their number); of
 * that tenant, to the first in its line. Who has had slots for longer than the others counts as if it
 * had one more at work for every second of that, up to its share: so a tenant whose workers died,
 * or whose turns are short, catches up.
 *
 *   p: pool
 *   → [{pool, tenant, session, workflowId, run, stage}]: who was given a slot, and is to be told
 */
create or replace function perdura.pool_fill(p jsonb) returns jsonb language plpgsql
set lock_timeout = '10s'
as $fn$
declare
  v_pool perdura.pools;
  v_free int;
  v_next record;
  v_grants jsonb := '[]';
begin
  select * into v_pool from perdura.pools where pool = p->>'pool' for update;
  if not found then return v_grants; end if;

  -- Who holds a slot and renews it no more is gone; an activity that lives asks anew.
  with gone as (
    delete from perdura.pool_claims
      where pool = v_pool.pool and state = 'held' and lease_until <= clock_timestamp()
      returning tenant, lease_until - lease_ms * interval '1 ms' - granted_at as had),
  served as (
    select tenant, sum(greatest(extract(epoch from had) * 1000, 0)) as ms from gone group by tenant)
  update perdura.pool_tenants t set served_ms = served_ms + served.ms
    from served where t.pool = v_pool.pool and t.tenant = served.tenant;
  -- Its workflow waits, so the claim stays; at the end of the line, or one that no worker runs would
  -- take the slot again and again.
  update perdura.pool_claims set state = 'waiting', rank = clock_timestamp(), lease_until = null,
      granted_at = null, signal_at = null
    where pool = v_pool.pool and state = 'granted' and lease_until <= clock_timestamp();

  select v_pool.max_at_work - count(*) into v_free from perdura.pool_claims
    where pool = v_pool.pool and state <> 'waiting';
  while v_free > 0 loop
    with busy as (
      select tenant, count(*) as n,
          sum(extract(epoch from clock_timestamp() - granted_at) * 1000) as ms
        from perdura.pool_claims where pool = v_pool.pool and state <> 'waiting' group by tenant),
    active as (
      select t.tenant, t.last_grant, coalesce(busy.n, 0) as n, c.session, c.rank,
          t.served_ms + coalesce(busy.ms, 0) as served
        from perdura.pool_tenants t
        left join busy on busy.tenant = t.tenant
        left join lateral (select w.session, w.rank from perdura.pool_claims w
            where w.pool = v_pool.pool and w.tenant = t.tenant and w.state = 'waiting'
            order by w.rank, w.session limit 1) c on true
        where t.pool = v_pool.pool and (busy.n > 0 or c.session is not null)),
    shared as (
      select active.*, least(floor((served - min(served) over ()) / 1000),
          greatest(1, ceil(v_pool.max_at_work::numeric / count(*) over ()))) as ahead
        from active)
    select tenant, session into v_next from shared
      where session is not null and n < coalesce((v_pool.tenants->>tenant)::int,
        v_pool.max_per_tenant, v_pool.max_at_work)
      order by n + ahead, last_grant, rank, tenant
      limit 1;
    exit when not found;
    v_free := v_free - 1;
    v_pool.grants := v_pool.grants + 1;
    update perdura.pools set grants = v_pool.grants where pool = v_pool.pool;
    update perdura.pool_tenants set last_grant = v_pool.grants, grants = grants + 1
      where pool = v_pool.pool and tenant = v_next.tenant;
    with given as (
      update perdura.pool_claims set state = 'granted', granted_at = clock_timestamp(),
          lease_until = clock_timestamp() + lease_ms * interval '1 ms',
          signal_at = clock_timestamp() + interval '5 s'
        where tenant = v_next.tenant and session = v_next.session
        returning jsonb_build_object('pool', pool, 'tenant', tenant, 'session', session,
          'workflowId', workflow_id, 'run', run, 'stage', stage) as grant_of)
    select v_grants || given.grant_of into v_grants from given;
  end loop;
  return v_grants;
end
$fn$;
