/*
 * perdura.pool_leave(p): a session gives its slot back, or leaves the line. What it does not have is
 * not missed. Also called by perdura.append, in the commit that ends a turn. The rule of append.sql
 * about earlier versions applies.
 *
 *   p: tenant, session,
 *      turn?     of this turn or an earlier one only
 *      run, stage?   not where a later activity of the run has asked
 *      gone?     true: the workflow that was to be told of its slot has closed; only what it asked for
 *   → as of pool_fill
 */
create or replace function perdura.pool_leave(p jsonb) returns jsonb language plpgsql
set lock_timeout = '10s'
as $fn$
declare
  v_pool text;
  c perdura.pool_claims;
begin
  select pool into v_pool from perdura.pool_claims
    where tenant = p->>'tenant' and session = p->>'session';
  if not found then return '[]'; end if;
  perform 1 from perdura.pools where pool = v_pool for update;
  -- What is there belongs to the run that has taken over.
  if p->>'gone' is null
      and exists (select from perdura.transcripts where tenant = p->>'tenant'
        and transcript = p->>'session' and run <> p->>'run')
      and exists (select from perdura.transcript_runs where tenant = p->>'tenant'
        and transcript = p->>'session' and run = p->>'run') then
    return '[]';
  end if;
  delete from perdura.pool_claims
    where tenant = p->>'tenant' and session = p->>'session' and pool = v_pool
      and (p->>'turn' is null or turn <= (p->>'turn')::int)
      and (p->>'stage' is null or run <> p->>'run' or stage <= (p->>'stage')::bigint)
      and (p->>'gone' is null or state = 'granted' and run = p->>'run'
        and stage = (p->>'stage')::bigint)
    returning * into c;
  if not found then return '[]'; end if;
  if c.state <> 'waiting' then
    update perdura.pool_tenants set
        served_ms = served_ms + extract(epoch from clock_timestamp() - c.granted_at) * 1000
      where pool = v_pool and tenant = c.tenant;
  end if;
  return perdura.pool_fill(jsonb_build_object('pool', v_pool));
end
$fn$;
