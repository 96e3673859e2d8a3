/*
 * perdura.pool_sweep(p): what nobody else would do: slots of the dead come back, and a workflow that
 * was not told of its slot is told again. Cheap where there is nothing to do. A pool that somebody
 * works on is left out: it is looked at there. The rule of append.sql about earlier versions applies.
 *
 *   p: pools: names
 *   → {grants: as of pool_fill, with those that are told again, claims: at work and in line}
 */
create or replace function perdura.pool_sweep(p jsonb) returns jsonb language plpgsql as $fn$
declare
  v_pool text;
  v_grants jsonb := '[]';
  v_again jsonb;
begin
  for v_pool in
    select o.pool from perdura.pools o
      where o.pool in (select jsonb_array_elements_text(p->'pools'))
        and exists (select from perdura.pool_claims c where c.pool = o.pool
          and (c.state = 'waiting' or c.lease_until <= clock_timestamp()
            or c.signal_at <= clock_timestamp()))
      order by o.pool for update skip locked
  loop
    v_grants := v_grants || perdura.pool_fill(jsonb_build_object('pool', v_pool));
    with again as (
      update perdura.pool_claims set signal_at = clock_timestamp() + interval '15 s'
        where pool = v_pool and state = 'granted' and signal_at <= clock_timestamp()
        returning jsonb_build_object('pool', pool, 'tenant', tenant, 'session', session,
          'workflowId', workflow_id, 'run', run, 'stage', stage) as grant_of)
    select coalesce(jsonb_agg(again.grant_of), '[]') into v_again from again;
    v_grants := v_grants || v_again;
  end loop;
  return jsonb_build_object('grants', v_grants, 'claims', (select count(*) from perdura.pool_claims
    where pool in (select jsonb_array_elements_text(p->'pools'))));
end
$fn$;
