/*
 * perdura.remember(p): writes or deletes an entry of a memory, by compare and set, once for each call.
 * The rule of append.sql about earlier versions applies.
 *
 *   p: tenant, user, agent (the owner), key, kind, text, session?,
 *      version?: the entry to be replaced; absent: there must be none, or one with this text
 *      put?: true     whatever is there: for what has one writer
 *      forget?: true  deletes the entry, of that version where one is named
 *      write?: names the call: what it has done is not done again
 *   → {outcome: created | replaced | known | conflict | forgotten | missing, key, version?,
 *      current?: {version, text} of a conflict, absent where the entry is gone}
 */
create or replace function perdura.remember(p jsonb) returns json language plpgsql
set lock_timeout = '10s'
as $fn$
declare
  v_tenant text := p->>'tenant';
  v_user text := p->>'user';
  v_agent text := p->>'agent';
  v_key text := p->>'key';
  v_text text := p->>'text';
  v_write text := p->>'write';
  v_outcome text;
  v_version bigint;
  m record;
begin
  if v_write is not null then
    -- Another attempt at the same call is waited for here.
    insert into perdura.memory_writes (tenant, write, outcome)
      values (v_tenant, v_write, 'running') on conflict do nothing;
    if not found then
      select w.outcome, w.version into v_outcome, v_version from perdura.memory_writes w
        where w.tenant = v_tenant and w.write = v_write;
    end if;
  end if;

  while v_outcome is null loop
    if p->>'forget' is not null then
      delete from perdura.memories
        where tenant = v_tenant and user_id = v_user and agent = v_agent and key = v_key
          and (p->>'version' is null or version = (p->>'version')::bigint);
      v_outcome := case when found then 'forgotten' else 'missing' end;
    elsif p->>'version' is not null then
      update perdura.memories set text = v_text, kind = p->>'kind', session = p->>'session',
          version = nextval('perdura.memory_versions'), updated_at = clock_timestamp()
        where tenant = v_tenant and user_id = v_user and agent = v_agent and key = v_key
          and version = (p->>'version')::bigint
        returning version into v_version;
      v_outcome := case when found then 'replaced' else 'conflict' end;
    else
      insert into perdura.memories (tenant, user_id, agent, key, kind, text, session, version)
        values (v_tenant, v_user, v_agent, v_key, p->>'kind', v_text, p->>'session',
          nextval('perdura.memory_versions'))
        on conflict (tenant, user_id, agent, key) do update
          set text = excluded.text, kind = excluded.kind, session = excluded.session,
            version = excluded.version, updated_at = clock_timestamp()
          where p->>'put' is not null and memories.text <> excluded.text
        returning version, xmax = 0 as fresh into m;
      if found then
        v_outcome := case when m.fresh then 'created' else 'replaced' end;
        v_version := m.version;
      else
        select e.version, e.text into m from perdura.memories e
          where e.tenant = v_tenant and e.user_id = v_user and e.agent = v_agent and e.key = v_key;
        -- Forgotten since: tried again.
        continue when not found;
        v_outcome := case when m.text = v_text then 'known' else 'conflict' end;
        v_version := m.version;
      end if;
    end if;
    if v_write is not null then
      update perdura.memory_writes set outcome = v_outcome, version = v_version
        where tenant = v_tenant and write = v_write;
    end if;
  end loop;

  if v_outcome <> 'conflict' then
    return json_build_object('outcome', v_outcome, 'key', v_key, 'version', v_version);
  end if;
  return json_build_object('outcome', 'conflict', 'key', v_key, 'current',
    (select json_build_object('version', e.version, 'text', e.text) from perdura.memories e
      where e.tenant = v_tenant and e.user_id = v_user and e.agent = v_agent and e.key = v_key));
end
$fn$;
