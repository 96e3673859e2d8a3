/*
 * perdura.pool_take(p): an activity asks for a slot before it calls its model, or for one more lease
 * on the slot that its session holds. Without a slot it waits in line; its workflow is told when it
 * has one, and the activity that follows takes it here. The rule of append.sql about earlier versions
 * applies.
 *
 *   p: pool, tenant, session, workflowId, agent, run, turn, stage, attempt, priority, leaseMs
 *   → {held, waitedMs?: in line, of a slot that was given now, grants: as of pool_fill, for others,
 *      fenced?: a later activity or attempt of the session has asked,
 *      unknown?: there is no such pool; names of those that exist}
 */
create or replace function perdura.pool_take(p jsonb) returns jsonb language plpgsql
set lock_timeout = '10s'
as $fn$
declare
  v_tenant text := p->>'tenant';
  v_session text := p->>'session';
  v_pool text := p->>'pool';
  v_turn int := (p->>'turn')::int;
  v_lease interval := (p->>'leaseMs')::int * interval '1 ms';
  v_grants jsonb := '[]';
  v_waited bigint;
  v_before text;
  c perdura.pool_claims;
begin
  select * into c from perdura.pool_claims where tenant = v_tenant and session = v_session;
  -- By name, so that two that change pools in opposite directions do not wait for each other.
  perform 1 from perdura.pools where pool in (v_pool, c.pool) order by pool for update;
  if not exists (select from perdura.pools where pool = v_pool) then
    return jsonb_build_object('held', false, 'grants', v_grants,
      'unknown', (select coalesce(jsonb_agg(pool order by pool), '[]') from perdura.pools));
  end if;
  select * into c from perdura.pool_claims
    where tenant = v_tenant and session = v_session for update;
  -- Of a run that was taken over: it would hold the slot that its successor waits for.
  if exists (select from perdura.transcripts where tenant = v_tenant and transcript = v_session
        and run <> p->>'run')
      and exists (select from perdura.transcript_runs where tenant = v_tenant
        and transcript = v_session and run = p->>'run') then
    return jsonb_build_object('held', false, 'grants', v_grants, 'fenced', true);
  end if;
  if c.run = p->>'run' and (c.stage, c.attempt) > ((p->>'stage')::bigint, (p->>'attempt')::int) then
    return jsonb_build_object('held', false, 'grants', v_grants, 'fenced', true);
  end if;
  if c.pool <> v_pool then
    v_grants := perdura.pool_leave(jsonb_build_object('tenant', v_tenant, 'session', v_session));
    c := null;
  end if;

  v_before := c.state;
  insert into perdura.pool_tenants (pool, tenant) values (v_pool, v_tenant) on conflict do nothing;
  -- Who comes back has not saved up for the time in which it wanted nothing.
  if not exists (select from perdura.pool_claims where pool = v_pool and tenant = v_tenant) then
    update perdura.pool_tenants mine set served_ms = greatest(mine.served_ms, (
        select min(t.served_ms + coalesce((select sum(extract(epoch from clock_timestamp() -
                w.granted_at) * 1000) from perdura.pool_claims w where w.pool = v_pool
              and w.tenant = t.tenant and w.state <> 'waiting'), 0))
          from perdura.pool_tenants t where t.pool = v_pool and exists (
            select from perdura.pool_claims w where w.pool = v_pool and w.tenant = t.tenant)))
      where mine.pool = v_pool and mine.tenant = v_tenant;
  end if;
  -- What waits for another turn than this has a place in line of its own; a slot is kept.
  insert into perdura.pool_claims as mine (tenant, session, pool, workflow_id, agent, run, turn,
      stage, attempt, priority, state, rank, lease_ms)
    values (v_tenant, v_session, v_pool, p->>'workflowId', p->>'agent', p->>'run', v_turn,
      (p->>'stage')::bigint, (p->>'attempt')::int, (p->>'priority')::int, 'waiting',
      clock_timestamp() - (p->>'priority')::int * interval '1 minute', (p->>'leaseMs')::int)
    on conflict (tenant, session) do update set workflow_id = excluded.workflow_id,
      agent = excluded.agent, run = excluded.run, turn = excluded.turn, stage = excluded.stage,
      attempt = excluded.attempt, lease_ms = excluded.lease_ms,
      since = case when mine.turn = excluded.turn then mine.since else clock_timestamp() end,
      rank = case when mine.turn = excluded.turn then mine.rank else excluded.rank end;
  -- A slot whose lease is over is kept, too: nobody has it yet.
  if v_before is null or v_before = 'waiting' then
    v_grants := v_grants || perdura.pool_fill(jsonb_build_object('pool', v_pool));
    select * into c from perdura.pool_claims where tenant = v_tenant and session = v_session;
    if c.state = 'waiting' then
      return jsonb_build_object('held', false, 'grants', v_grants);
    end if;
    select coalesce(jsonb_agg(g), '[]') into v_grants from jsonb_array_elements(v_grants) g
      where g->>'tenant' <> v_tenant or g->>'session' <> v_session;
  end if;
  if v_before = 'waiting' or v_before = 'granted' then
    v_waited := extract(epoch from clock_timestamp() - c.since) * 1000;
  end if;
  -- Served from when somebody is at work. Another attempt: the one before has died after its last
  -- sign, and nothing was done since.
  update perdura.pool_claims set state = 'held',
      granted_at = case when v_before is distinct from 'held' then clock_timestamp()
        when (p->>'attempt')::int > 1 then
          granted_at + greatest(clock_timestamp() - (c.lease_until - c.lease_ms * interval '1 ms'),
            interval '0')
        else granted_at end,
      lease_until = clock_timestamp() + v_lease,
      signal_at = null
    where tenant = v_tenant and session = v_session;
  return jsonb_build_object('held', true, 'waitedMs', v_waited, 'grants', v_grants);
end
$fn$;
