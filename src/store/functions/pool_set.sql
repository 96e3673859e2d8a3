/*
 * perdura.pool_set(p): makes a pool or changes its limits, while agents are at work. What is at work
 * goes on where the limit is lower now; where it is higher, those in line get slots in this commit.
 * The limits of a configuration count when they have changed there, so that a change at run time
 * outlives a restart. The rule of append.sql about earlier versions applies.
 *
 *   p: pool, maxAtWork?, maxPerTenant? (null: none), tenants?,
 *      declared?   digest of the limits, of a configuration
 *      create?     true: there must be no such pool; false: there must be one
 *   → {grants: as of pool_fill, missing?: true, exists?: true}
 */
create or replace function perdura.pool_set(p jsonb) returns jsonb language plpgsql
set lock_timeout = '10s'
as $fn$
declare
  v_pool text := p->>'pool';
  v_count int;
begin
  if p->'create' is null or (p->>'create')::boolean then
    insert into perdura.pools (pool, max_at_work, max_per_tenant, tenants, declared)
      values (v_pool, (p->>'maxAtWork')::int, (p->>'maxPerTenant')::int,
        coalesce(p->'tenants', '{}'), p->>'declared')
      on conflict do nothing;
    get diagnostics v_count = row_count;
    if v_count > 0 then return jsonb_build_object('grants', '[]'::jsonb); end if;
    if p->'create' is not null then
      return jsonb_build_object('grants', '[]'::jsonb, 'exists', true);
    end if;
  end if;
  update perdura.pools set
      max_at_work = coalesce((p->>'maxAtWork')::int, max_at_work),
      max_per_tenant = case when p ? 'maxPerTenant' then (p->>'maxPerTenant')::int
        else max_per_tenant end,
      tenants = coalesce(p->'tenants', tenants),
      declared = coalesce(p->>'declared', declared),
      updated_at = clock_timestamp()
    where pool = v_pool
      and (p->>'declared' is null or declared is distinct from p->>'declared');
  if not found then
    return jsonb_build_object('grants', '[]'::jsonb, 'missing',
      not exists (select from perdura.pools where pool = v_pool));
  end if;
  return jsonb_build_object('grants', perdura.pool_fill(jsonb_build_object('pool', v_pool)));
end
$fn$;
