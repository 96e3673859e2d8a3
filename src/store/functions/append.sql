/*
 * perdura.append(p): everything that changes a transcript, in one round trip, one commit, one lock,
 * so that its rules cannot be half followed. Its blocks in order: attempt, fence, supersede, probe,
 * messages, rollback, tool run, requests, events,
 * session, slot, wake.
 *
 *   p: tenant, session, transcript, run, stage, head,
 *      messages?: [{seq, key, turn, step, attempt, messageId?, body, usage?, with?}],
 *                              with: not if the message at that place was there before
 *      rollback?: {after}      what lies behind this place is forgotten, also what is written here
 *      probe?: {seq, key}      is this place taken by this key already?
 *      attempt?: {turn, step, kind, attempt, agent?, model, outcome, failure?, usage},
 *      toolRun?: {key, outcome},
 *      events?: [{key, type, body, seq?, messageId?, with?}],
 *      next?: as attempt       the first attempt at the step that follows: it begins
 *      updates?: {state?, turn?, head?, failure?, force?, agent?, version?},
 *      onlyIfNew?: true        no event and no update when every message is a duplicate,
 *      requests?: [{id, kind, callKey, turn, step, agent, name, server?, arguments, digest, schema?,
 *                   rule?, role?, requesters, until?, granted?, with?}],   each is entered once
 *      settles?: id            the call of this request has its result
 *      withdraw?: {turn?}      what the turn, or any, still asks of people is withdrawn: it is over
 *      leave?: {turn}          the turn is over: its slot in a pool goes to the next in line
 *      channel?                of the readers: notified in this commit
 *   → {fenced?, generation, epoch, lastEvent, newEvents: how many were written, existing: [{seq, body, usage}],
 *      duplicates: ids that the transcript had already,
 *      conflicts: ids that the transcript has with another body; each has an event message.refused,
 *      failures: attempts of this step that the model failed,
 *      lastFailure: the newest of them with a text that the next attempt must know,
 *      state: of the session, before this write,
 *      grants?: with leave; as of perdura.pool_fill}
 *
 * During a rolling deploy processes of earlier versions call this function. So a field of `p` keeps
 * its meaning, a new one is optional, and a field of the result is never removed. The blocks are not
 * functions of their own: a call that is under way keeps the body that it began with, and would meet
 * a helper of another version.
 */
create or replace function perdura.append(p jsonb) returns json language plpgsql
-- Who gave up on the answer (SILENCE_MS in store/connection.ts) has asked again by then.
set lock_timeout = '10s'
as $fn$
declare
  v_tenant text := p->>'tenant';
  v_session text := p->>'session';
  v_transcript text := p->>'transcript';
  v_run text := p->>'run';
  v_stage bigint := (p->>'stage')::bigint;
  -- The transcript, locked: one writer at a time.
  t perdura.transcripts;
  a jsonb := p->'attempt';
  -- What the attempt adds to the totals of its session.
  v_in bigint := 0; v_out bigint := 0; v_cached bigint := 0; v_cost bigint := 0;
  v_failures int := 0;
  v_failure json;
  -- Of the messages: rows by place, what was there before, ids that were taken.
  v_rows jsonb := '{}';
  v_existing jsonb := '[]';
  v_duplicates jsonb := '[]';
  v_conflicts jsonb := '[]';
  v_repeated boolean := false;
  -- Of the session: its state and last event before this write, its last event now.
  v_state text;
  v_start bigint;
  v_n bigint;
  v_count int;
  -- Slots that went to others.
  v_grants jsonb;
begin
  select * into t from perdura.transcripts
    where tenant = v_tenant and transcript = v_transcript for update;
  if not found then
    raise exception 'no transcript % of tenant %', v_transcript, v_tenant using errcode = 'PD404';
  end if;

  -- ATTEMPT. A record of what was paid, not of what was accepted: so it comes before the fence.
  if a is not null then
    declare
      u jsonb := a->'usage';
      v_step int := (a->>'step')::int;
      v_kind text := a->>'kind';
      v_attempt int := (a->>'attempt')::int;
      v_known perdura.attempts;
    begin
      if a->>'outcome' = 'running' then
        with lost as (
          update perdura.attempts set outcome = 'lost', ended_at = clock_timestamp()
            where tenant = v_tenant and session = v_session and run = v_run and stage = v_stage
              and step = v_step and kind = v_kind and attempt < v_attempt and outcome = 'running'
            returning input_tokens, output_tokens, cached_tokens, cost_micros)
        select coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
               coalesce(sum(cached_tokens), 0), coalesce(sum(cost_micros), 0)
          into v_in, v_out, v_cached, v_cost from lost;
        insert into perdura.attempts (tenant, session, run, turn, step, stage, kind, attempt, agent,
            model, outcome, input_tokens, cost_micros)
          values (v_tenant, v_session, v_run, (a->>'turn')::int, v_step, v_stage, v_kind, v_attempt,
            a->>'agent', a->>'model', 'running', (u->>'input')::int, (u->>'costMicros')::bigint)
          on conflict do nothing;
      else
        select * into v_known from perdura.attempts
          where tenant = v_tenant and session = v_session and run = v_run and stage = v_stage
            and step = v_step and kind = v_kind and attempt = v_attempt;
        update perdura.attempts set outcome = a->>'outcome', failure = a->'failure',
            model = a->>'model',
            input_tokens = (u->>'input')::int, output_tokens = (u->>'output')::int,
            cached_tokens = (u->>'cached')::int, reasoning_tokens = (u->>'reasoning')::int,
            cost_micros = (u->>'costMicros')::bigint,
            estimated = coalesce((u->>'estimated')::boolean, false), ended_at = clock_timestamp()
          where tenant = v_tenant and session = v_session and run = v_run and stage = v_stage
            and step = v_step and kind = v_kind and attempt = v_attempt
            and outcome in ('running', 'lost')
          returning input_tokens, output_tokens, cached_tokens, cost_micros
            into v_in, v_out, v_cached, v_cost;
        -- An attempt that was given up has been charged by its estimate; now its bill has come.
        if v_known.outcome = 'lost' then
          v_in := v_in - v_known.input_tokens;
          v_out := v_out - v_known.output_tokens;
          v_cached := v_cached - v_known.cached_tokens;
          v_cost := v_cost - v_known.cost_micros;
        end if;
      end if;
      select count(*) into v_failures from perdura.attempts
        where tenant = v_tenant and session = v_session and run = v_run and stage = v_stage
          and step = v_step and kind = v_kind and outcome = 'failed'
          and failure->>'type' like 'Model.%';
      select failure into v_failure from perdura.attempts
        where tenant = v_tenant and session = v_session and run = v_run and stage = v_stage
          and step = v_step and kind = v_kind and outcome = 'failed'
          and failure->>'text' is not null
        order by attempt desc limit 1;
    end;
  end if;

  -- Its call is under way while this is written, whatever comes of it.
  if p->'next' is not null then
    insert into perdura.attempts (tenant, session, run, turn, step, stage, kind, attempt, agent,
        model, outcome, input_tokens, cost_micros)
      select v_tenant, v_session, v_run, turn, step, v_stage, kind, attempt, agent, model, 'running',
          (usage->>'input')::int, (usage->>'costMicros')::bigint
        from jsonb_to_record(p->'next') as next(turn int, step int, kind text, attempt int,
          agent text, model text, usage jsonb)
      on conflict do nothing;
  end if;

  -- FENCE. A run that has not been seen takes the transcript over (continue-as-new, or a reset); a
  -- run that was taken over, and a stage below the newest, are refused. A write without a stage is a
  -- note (a pause): it belongs to no step, so only the run is fenced, and it may hold no message.
  declare
    v_fenced boolean := false;
  begin
    if t.run is distinct from v_run then
      perform 1 from perdura.transcript_runs
        where tenant = v_tenant and transcript = v_transcript and run = v_run;
      v_fenced := found;
      if not v_fenced then
        t.epoch := t.epoch + 1;
        t.stage := -1;
        t.run := v_run;
        insert into perdura.transcript_runs (tenant, transcript, run, epoch)
          values (v_tenant, v_transcript, v_run, t.epoch);
        update perdura.transcripts set run = t.run, epoch = t.epoch, stage = t.stage
          where tenant = v_tenant and transcript = v_transcript;
      end if;
    elsif v_stage < t.stage then
      v_fenced := true;
    end if;
    if v_fenced then
      -- What it wrote is dropped; what it cost was paid.
      update perdura.sessions set
          input_tokens = input_tokens + coalesce(v_in, 0),
          output_tokens = output_tokens + coalesce(v_out, 0),
          cached_tokens = cached_tokens + coalesce(v_cached, 0),
          cost_micros = cost_micros + coalesce(v_cost, 0)
        where tenant = v_tenant and session = v_session and a is not null;
      return json_build_object('fenced', true);
    end if;
  end;

  -- SUPERSEDE. The first write of a stage supersedes whatever lies behind the head that its workflow
  -- knows: that was written by an attempt nobody accepted.
  if v_stage > t.stage then
    -- Not the time at which the transaction began: a fork sees what was there when it had the lock.
    update perdura.messages set superseded_at = clock_timestamp()
      where tenant = v_tenant and transcript = v_transcript and seq > (p->>'head')::int
        and superseded_at is null
        -- A sender's message that is about to be written at the same place again is the same.
        and not exists (select 1 from jsonb_array_elements(p->'messages') again
          where (again->>'seq')::int = messages.seq and again->>'key' = messages.key
            and again->>'messageId' = messages.message_id);
    get diagnostics v_count = row_count;
    if v_count > 0 then t.generation := t.generation + 1; end if;
    if t.stage = -1 then
      -- The first write of a run. It knows the head behind each rollback that it has accepted, so
      -- one behind its head is undone by a reset: the messages of that turn come again.
      update perdura.messages set rolled_back = false
        where tenant = v_tenant and transcript = v_transcript and rolled_back
          and seq > (p->>'head')::int;
    end if;
    update perdura.transcripts set stage = v_stage, generation = t.generation
      where tenant = v_tenant and transcript = v_transcript;
  end if;

  -- PROBE.
  if p->'probe' is not null then
    declare
      r record;
    begin
      for r in select seq, body, usage from perdura.messages
        where tenant = v_tenant and transcript = v_transcript and superseded_at is null
          and seq = (p->'probe'->>'seq')::int and key = p->'probe'->>'key'
      loop
        v_existing := v_existing || jsonb_build_object('seq', r.seq, 'body', r.body, 'usage', r.usage);
      end loop;
    end;
  end if;

  -- MESSAGES. Within a stage a place is written once: who comes second gets what is there. An id is
  -- taken once; with another body it is refused, and the sender can be told.
  if p->'messages' is not null then
    declare
      m jsonb;
      r record;
      v_row bigint;
      v_body json;
    begin
      for m in select * from jsonb_array_elements(p->'messages') loop
        continue when m->>'with' is not null and v_existing @> jsonb_build_array(
          jsonb_build_object('seq', (m->>'with')::int));
        select row_id, seq, key, body, usage into r from perdura.messages
          where tenant = v_tenant and transcript = v_transcript and superseded_at is null
            and seq = (m->>'seq')::int;
        if found then
          if r.key is distinct from m->>'key' then
            raise exception 'place % of transcript % holds %, not %', r.seq, v_transcript, r.key,
              m->>'key' using errcode = 'PD409';
          end if;
          v_existing := v_existing || jsonb_build_object('seq', r.seq, 'body', r.body, 'usage', r.usage);
          v_rows := v_rows || jsonb_build_object(m->>'seq', r.row_id);
          continue;
        end if;
        if m->>'messageId' is not null then
          select body into v_body from perdura.messages
            where tenant = v_tenant and transcript = v_transcript
              and message_id = m->>'messageId' and superseded_at is null;
          if not found then
            -- A turn that was forgotten has taken its messages all the same.
            select body into v_body from perdura.messages
              where tenant = v_tenant and transcript = v_transcript
                and message_id = m->>'messageId' and rolled_back
              limit 1;
          end if;
          if found then
            v_duplicates := v_duplicates || to_jsonb(m->>'messageId');
            -- Who sends it may have another name the second time; what is said may not differ.
            if v_body::jsonb - 'from' <> (m->'body') - 'from' then
              v_conflicts := v_conflicts || jsonb_build_object('id', m->>'messageId',
                'key', md5(m->>'body'));
            end if;
            continue;
          end if;
        end if;
        insert into perdura.messages (tenant, transcript, seq, key, epoch, stage, turn, step,
            attempt, message_id, body, usage)
          values (v_tenant, v_transcript, (m->>'seq')::int, m->>'key', t.epoch, v_stage,
            (m->>'turn')::int, (m->>'step')::int, (m->>'attempt')::int, m->>'messageId',
            m->'body', m->'usage')
          returning row_id into v_row;
        v_rows := v_rows || jsonb_build_object(m->>'seq', v_row);
      end loop;
    end;
    v_repeated := p->>'onlyIfNew' is not null and jsonb_array_length(v_duplicates) > 0
      and jsonb_array_length(v_duplicates) = jsonb_array_length(p->'messages');
    if v_repeated and a->>'outcome' = 'running' then
      -- Its call was begun on the strength of messages that are nothing new.
      update perdura.attempts set outcome = 'superseded', ended_at = clock_timestamp()
        where tenant = v_tenant and session = v_session and run = v_run and stage = v_stage
          and step = (a->>'step')::int and kind = a->>'kind' and attempt = (a->>'attempt')::int
          and outcome = 'running';
    end if;
  end if;

  -- ROLLBACK. The turn is forgotten: what it wrote is superseded, and its places are not used again,
  -- because calls and events are named by them.
  if p->'rollback' is not null then
    update perdura.messages set superseded_at = clock_timestamp(), rolled_back = true
      where tenant = v_tenant and transcript = v_transcript and superseded_at is null
        and seq > (p->'rollback'->>'after')::int;
    get diagnostics v_count = row_count;
    if v_count > 0 then
      t.generation := t.generation + 1;
      update perdura.transcripts set generation = t.generation
        where tenant = v_tenant and transcript = v_transcript;
    end if;
  end if;

  -- TOOL RUN.
  if p->'toolRun' is not null then
    update perdura.tool_runs set outcome = p->'toolRun'->>'outcome', ended_at = clock_timestamp()
      where tenant = v_tenant and session = v_session and key = p->'toolRun'->>'key';
  end if;

  -- REQUESTS. What a person is asked, in the commit of the answer that asks for it. Where the request of
  -- the call was entered before, it stands as it is: also decided.
  if p->'requests' is not null then
    insert into perdura.requests (tenant, id, kind, state, session, workflow_id, root, path, call_key,
        turn, step, agent, name, server, arguments, digest, schema, rule, role, requesters,
        expires_at, decided_at, taken_at, decided_by, granted)
      select v_tenant, r.id, r.kind, case when r.granted is null then 'waiting' else 'approved' end,
          v_session, s.workflow_id, coalesce(s.root, 'session/' || v_session),
          coalesce(s.path, array[v_session]), r."callKey", r.turn, r.step, r.agent, r.name, r.server,
          r.arguments, r.digest, r.schema, r.rule, r.role,
          array(select jsonb_array_elements_text(r.requesters)),
          to_timestamp(r.until / 1000.0), g.now, g.now, g.granted_by, r.granted
        from jsonb_to_recordset(p->'requests') r(id text, kind text, "callKey" text, turn int,
            step int, agent text, name text, server text, arguments text, digest text, schema jsonb,
            rule text, role text, requesters jsonb, until bigint, granted text, "with" int)
          join perdura.sessions s on s.tenant = v_tenant and s.session = v_session
          -- Approved in advance: nobody waits for it.
          left join lateral (select granted_by, clock_timestamp() as now from perdura.approval_grants
            where tenant = v_tenant and id = r.granted) g on true
        where r."with" is null or not v_existing @> jsonb_build_array(
          jsonb_build_object('seq', r."with"))
      on conflict do nothing;
  end if;
  if p->>'settles' is not null then
    update perdura.requests set taken_at = clock_timestamp(),
        state = case when state = 'waiting' then 'withdrawn' else state end
      where tenant = v_tenant and id = p->>'settles' and session = v_session and taken_at is null;
  end if;
  if p->'withdraw' is not null then
    update perdura.requests set taken_at = clock_timestamp(),
        state = case when state = 'waiting' then 'withdrawn' else state end
      where tenant = v_tenant and session = v_session and taken_at is null
        and (p->'withdraw'->>'turn' is null or turn <= (p->'withdraw'->>'turn')::int);
  end if;

  -- EVENTS. Numbered without gaps, since the session's row is locked; each key once in an epoch.
  select last_event, state into v_n, v_state from perdura.sessions
    where tenant = v_tenant and session = v_session for update;
  v_start := v_n;
  if p->'events' is not null and not v_repeated then
    declare
      e jsonb;
    begin
      for e in select * from jsonb_array_elements(p->'events') loop
        continue when e->>'with' is not null and v_existing @> jsonb_build_array(
          jsonb_build_object('seq', (e->>'with')::int));
        -- An event about a message that turned out to be a duplicate did not happen.
        continue when e->>'messageId' is not null and v_duplicates ? (e->>'messageId');
        insert into perdura.events (tenant, session, n, key, type, body, message_row)
          values (v_tenant, v_session, v_n + 1, t.epoch || ':' || (e->>'key'), e->>'type', e->'body',
            (v_rows->>(e->>'seq'))::bigint)
          on conflict (tenant, session, key) do nothing;
        get diagnostics v_count = row_count;
        v_n := v_n + v_count;
      end loop;
    end;
  end if;
  if v_conflicts <> '[]' then
    declare
      c jsonb;
    begin
      for c in select * from jsonb_array_elements(v_conflicts) loop
        insert into perdura.events (tenant, session, n, key, type, body)
          values (v_tenant, v_session, v_n + 1,
            t.epoch || ':refused.' || (c->>'id') || '.' || (c->>'key'), 'message.refused',
            json_build_object('id', c->>'id', 'reason',
              'A message with this id and another text is in the transcript.'))
          on conflict (tenant, session, key) do nothing;
        get diagnostics v_count = row_count;
        v_n := v_n + v_count;
      end loop;
    end;
  end if;

  -- SESSION. A probe that finds its answer does not open again what that answer has closed.
  declare
    u jsonb := case
      when v_repeated then null
      when p->'probe' is not null and v_existing @> jsonb_build_array(
        jsonb_build_object('seq', (p->'probe'->>'seq')::int)) then null
      else p->'updates' end;
  begin
    if v_n > v_start or u is not null or a is not null then
      update perdura.sessions set
          last_event = v_n,
          -- Indexed: moved at most once a second, so that most updates stay within their page.
          updated_at = case when updated_at < now() - interval '1 second' then now()
            else updated_at end,
          -- A step that ends does not wake a session that was paused meanwhile.
          state = case when u->>'state' is null then state
            when state = 'paused' and u->>'force' is null then state else u->>'state' end,
          turn = coalesce((u->>'turn')::int, turn),
          head = coalesce((u->>'head')::int, head),
          agent = coalesce(u->>'agent', agent),
          version = case when u->>'agent' is null then version else u->>'version' end,
          failure = case when u->>'state' is null then failure else (u->'failure')::json end,
          input_tokens = input_tokens + coalesce(v_in, 0),
          output_tokens = output_tokens + coalesce(v_out, 0),
          cached_tokens = cached_tokens + coalesce(v_cached, 0),
          cost_micros = cost_micros + coalesce(v_cost, 0)
        where tenant = v_tenant and session = v_session;
    end if;
  end;

  -- SLOT. The last lock, and held for the shortest: that of the pool, which many sessions share.
  if p->'leave' is not null then
    v_grants := perdura.pool_leave(jsonb_build_object('tenant', v_tenant, 'session', v_session,
      'turn', p->'leave'->'turn', 'run', v_run, 'stage', v_stage));
  end if;

  -- WAKE, for a write that is alone in its process. Others notify after the commit
  -- (store/wake-ups.ts): in it, PostgreSQL's notification lock is held until the commit is on disk.
  if v_n > v_start and p->>'channel' is not null then
    perform pg_notify(p->>'channel', json_build_object('type', 'wake', 'n', v_n)::text);
  end if;
  return json_build_object('generation', t.generation, 'lastEvent', v_n,
    'newEvents', v_n - v_start, 'existing', v_existing,
    'duplicates', v_duplicates,
    'conflicts', (select coalesce(json_agg(c->>'id'), '[]') from jsonb_array_elements(v_conflicts) c),
    'failures', v_failures, 'lastFailure', v_failure, 'epoch', t.epoch, 'state', v_state,
    'grants', v_grants);
end
$fn$;
