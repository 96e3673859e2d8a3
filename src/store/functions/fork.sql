/*
 * perdura.fork(p): a new session that goes on from the end of a turn of another one. It shares the
 * messages up to there and copies none: its transcript has the other one as its parent, as that was at
 * this moment. The rule of append.sql about earlier versions applies.
 *
 *   p: tenant, from, session,    the other session, the new one
 *      turn?                     default: the last one that has ended
 *      workflowId, agent?, version?, title?, checkpoint?
 *   → {turn, head, agent, version, new}, or one of
 *     {unknown: true}            there is no session `from`
 *     {last: n}                  turn n is the last that has ended
 *     {taken: true}              there is another session of the new name
 */
create or replace function perdura.fork(p jsonb) returns json language plpgsql
set lock_timeout = '10s'
as $fn$
declare
  v_tenant text := p->>'tenant';
  s perdura.sessions;
  t perdura.transcripts;
  v_last int;
  v_turn int;
  v_at timestamptz;
  v_head int := 0;
  v_known jsonb;
  r record;
  v_low int;
  v_high int;
  v_middle int;
  v_of int;
begin
  select * into s from perdura.sessions where tenant = v_tenant and session = p->>'from';
  if not found then return json_build_object('unknown', true); end if;
  -- The lock that every writer takes first: nothing of it is half written.
  select * into t from perdura.transcripts
    where tenant = v_tenant and transcript = s.transcript for update;
  select * into s from perdura.sessions where tenant = v_tenant and session = p->>'from';
  v_last := s.turn;
  if s.turn > coalesce((s.fork->>'turn')::int, 0) and not exists (select from perdura.events
      where tenant = v_tenant and session = s.session
        and key in (select n || ':t' || s.turn || '.end' from generate_series(1, t.epoch) n)) then
    v_last := s.turn - 1;
  end if;
  v_turn := coalesce((p->>'turn')::int, v_last);
  if v_turn < 0 or v_turn > v_last then return json_build_object('last', v_last); end if;

  -- The last message of the turn: the answer that has completed it, where there is one.
  select m.seq into v_head from perdura.events e
    join perdura.messages m on m.row_id = e.message_row
    where e.tenant = v_tenant and e.session = s.session
      and e.key in (select n || ':t' || v_turn || '.end' from generate_series(1, t.epoch) n)
      and m.tenant = v_tenant and m.transcript = s.transcript and m.superseded_at is null
    order by m.seq desc limit 1;
  v_head := coalesce(v_head, 0);
  -- Otherwise it is searched for in halves, since turns grow with places.
  for r in
    with recursive chain as (
      select s.transcript as transcript, 2147483647 as upto, null::timestamptz as at
      union all
      select c.parent, least(chain.upto, c.parent_seq), c.created_at from chain
        join perdura.transcripts c on c.tenant = v_tenant and c.transcript = chain.transcript
        where c.parent is not null)
    select * from chain where v_head = 0
  loop
    v_low := 0;
    select coalesce(max(seq), 0) into v_high from perdura.messages
      where tenant = v_tenant and transcript = r.transcript and seq <= r.upto
        and superseded_at is null;
    while v_low < v_high loop
      v_middle := (v_low + v_high + 1) / 2;
      select m.turn into v_of from perdura.messages m
        where m.tenant = v_tenant and m.transcript = r.transcript and m.seq <= v_middle
          and m.superseded_at is null order by m.seq desc limit 1;
      if v_of is null or v_of <= v_turn then v_low := v_middle; else v_high := v_middle - 1; end if;
    end loop;
    -- The place may be empty: the message before it is meant.
    select coalesce(max(m.seq), 0) into v_low from perdura.messages m
      where m.tenant = v_tenant and m.transcript = r.transcript and m.seq <= v_low
        and m.superseded_at is null and m.turn <= v_turn;
    v_head := greatest(v_head, v_low);
    exit when v_head > 0;
  end loop;

  v_at := clock_timestamp();
  v_known := jsonb_strip_nulls(jsonb_build_object('session', s.session, 'turn', v_turn,
    'checkpoint', p->>'checkpoint'));
  insert into perdura.sessions (tenant, session, workflow_id, agent, version, title, transcript, state,
      turn, head, last_event, fork)
    values (v_tenant, p->>'session', p->>'workflowId', coalesce(p->>'agent', s.agent),
      case when p->>'agent' is null then s.version else p->>'version' end,
      coalesce(p->>'title', s.title), p->>'session', 'idle', v_turn, v_head, 1, v_known)
    on conflict (tenant, session) do nothing;
  if not found then
    select * into s from perdura.sessions where tenant = v_tenant and session = p->>'session';
    if s.fork is distinct from v_known then return json_build_object('taken', true); end if;
    return json_build_object('new', false, 'turn', v_turn, 'head', v_head, 'agent', s.agent,
      'version', s.version);
  end if;
  insert into perdura.transcripts (tenant, transcript, session, parent, parent_seq, run, created_at)
    values (v_tenant, p->>'session', p->>'session', t.transcript, v_head, 'fork', v_at);
  insert into perdura.transcript_runs (tenant, transcript, run, epoch)
    values (v_tenant, p->>'session', 'fork', 1);
  insert into perdura.events (tenant, session, n, key, type, body)
    values (v_tenant, p->>'session', 1, '1:fork', 'session.forked', v_known::json);
  insert into perdura.session_contexts (tenant, session, user_id, organisation, context)
    select tenant, p->>'session', user_id, organisation, context from perdura.session_contexts
      where tenant = v_tenant and session = p->>'from'
    on conflict do nothing;
  -- What was decided stays decided.
  insert into perdura.approval_grants (tenant, id, scope, session, user_id, tool, digest, role,
      request, granted_by, reason, until)
    select tenant, gen_random_uuid()::text, scope, p->>'session', user_id, tool, digest, role,
        request, granted_by, reason, until
      from perdura.approval_grants
      where tenant = v_tenant and session = p->>'from' and scope in ('call', 'session')
        and revoked_at is null and (until is null or until > v_at);
  return json_build_object('new', true, 'turn', v_turn, 'head', v_head,
    'agent', coalesce(p->>'agent', s.agent),
    'version', case when p->>'agent' is null then s.version else p->>'version' end);
end
$fn$;
