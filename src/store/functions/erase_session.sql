/*
 * perdura.erase_session(p): takes what was said out of a session, in one commit. Places, ids, counts
 * and costs stay, so that the session can go on and its bill adds up. The rule of append.sql about
 * earlier versions applies. test/integration/memory/erasure.test.ts holds the list of tables.
 *
 *   p: tenant, session
 *   → {messages: rows that were changed}
 */
create or replace function perdura.erase_session(p jsonb) returns json language plpgsql
set lock_timeout = '10s'
as $fn$
declare
  v_tenant text := p->>'tenant';
  v_session text := p->>'session';
  v_erased constant text := '[erased]';
  v_count bigint;
begin
  -- The lock that every writer of the session takes first; what workers have cached is no longer good.
  with recursive shared as (
    select transcript from perdura.transcripts where tenant = v_tenant and session = v_session
    union
    -- Forks show what they share with it.
    select t.transcript from shared join perdura.transcripts t
      on t.tenant = v_tenant and t.parent = shared.transcript)
  update perdura.transcripts set generation = generation + 1
    where tenant = v_tenant and transcript in (select transcript from shared);

  update perdura.messages m set body = jsonb_strip_nulls(case m.body->>'role'
      when 'user' then jsonb_build_object('role', 'user', 'id', m.body->>'id', 'text', v_erased)
      -- Calls keep their ids and names: a result without its call is refused by providers.
      when 'assistant' then jsonb_build_object('role', 'assistant', 'id', m.body->>'id',
        'text', case when m.body->>'text' = '' then '' else v_erased end,
        'finish', m.body->>'finish', 'model', m.body->>'model',
        'toolCalls', (select jsonb_agg(jsonb_build_object('id', c->>'id', 'name', c->>'name',
            'arguments', '{}') order by n)
          from jsonb_array_elements((m.body->'toolCalls')::jsonb) with ordinality as calls(c, n)))
      when 'tool' then jsonb_build_object('role', 'tool', 'callId', m.body->>'callId',
        'name', m.body->>'name',
        'content', jsonb_build_array(jsonb_build_object('type', 'text', 'text', v_erased)),
        'failure', case when m.body->'failure' is null then null else jsonb_build_object(
          'type', m.body->'failure'->>'type', 'message', v_erased) end)
      else jsonb_build_object('role', m.body->>'role', 'text', v_erased,
        'covers', (m.body->'covers')::jsonb)
    end)::json
    where m.tenant = v_tenant and m.transcript in (select t.transcript from perdura.transcripts t
      where t.tenant = v_tenant and t.session = v_session);
  get diagnostics v_count = row_count;

  -- Of an event stays what is no text, and the texts that are names of things. A list or an object
  -- that is not known here is left out.
  update perdura.events e set body = (select json_object_agg(f.key, case
        when f.key = 'failure' then jsonb_build_object('type', f.value->>'type', 'message', v_erased)
        when f.key in ('usage', 'covers', 'servers') then f.value
        when jsonb_typeof(f.value) in ('number', 'boolean', 'null') then f.value
        when f.key in ('type', 'id', 'callId', 'key', 'name', 'finish', 'model', 'state', 'agent',
          'until', 'outcome', 'request', 'kind', 'decision') then f.value
        else to_jsonb(v_erased) end)
      from jsonb_each(e.body::jsonb) f
      where jsonb_typeof(f.value) not in ('object', 'array')
        or f.key in ('failure', 'usage', 'covers', 'servers'))
    where e.tenant = v_tenant and e.session = v_session and e.body::text <> '{}';

  delete from perdura.artifacts where tenant = v_tenant and session = v_session;
  update perdura.spills s set messages = (select coalesce(json_agg(json_build_object('id', i->>'id',
        'text', v_erased) order by n), '[]')
      from jsonb_array_elements(s.messages::jsonb) with ordinality as items(i, n))
    where s.tenant = v_tenant and s.session = v_session;
  update perdura.tool_runs set result = json_build_object('content',
      json_build_array(json_build_object('type', 'text', 'text', v_erased)), 'bytes', 0, 'ms', 0)
    where tenant = v_tenant and session = v_session and result is not null;
  update perdura.attempts set failure = json_build_object('type', failure->>'type',
      'message', v_erased)
    where tenant = v_tenant and session = v_session and failure is not null;
  update perdura.sessions set title = null,
      failure = case when failure is null then null else
        json_build_object('type', failure->>'type', 'message', v_erased) end
    where tenant = v_tenant and session = v_session;
  -- What the session has sent, and what was for it alone.
  update perdura.mailings m set text = v_erased
    where m.tenant = v_tenant and (m.sender = v_session or m.group_id is null and m.receivers = 1
      and exists (select from perdura.deliveries d where d.tenant = v_tenant and d.mailing = m.id
        and d.receiver = v_session));
  update perdura.requests set arguments = '{}', schema = null, reason = null, requesters = '{}',
      edited = case when edited is null then null else '{}' end,
      answer = case when answer is null then null else v_erased end
    where tenant = v_tenant and session = v_session;
  update perdura.checkpoints set note = null
    where tenant = v_tenant and session = v_session and note is not null;
  update perdura.approval_grants set reason = null
    where tenant = v_tenant and session = v_session and reason is not null;
  -- The ids stay: by them the session belongs to its user, and is found when more is erased.
  update perdura.session_contexts set context = json_strip_nulls(json_build_object(
      'user', case when user_id is null then null else json_build_object('id', user_id) end,
      'organisation', case when organisation is null then null
        else json_build_object('id', organisation) end))
    where tenant = v_tenant and session = v_session;
  return json_build_object('messages', v_count);
end
$fn$;
