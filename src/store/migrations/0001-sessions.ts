/**
 * The first schema: sessions, transcripts, events, attempts, tool runs, artifacts, pins.
 * A tenant leads every key. All that changes a transcript goes through `perdura.append`: one
 * round trip, one commit, one lock, so that its rules cannot be half followed.
 */
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table perdura.sessions (
    tenant text not null,
    session text not null,
    workflow_id text not null,
    agent text not null,
    title text,
    transcript text not null,
    state text not null,
    turn int not null default 0,
    head int not null default 0,
    failure json,
    last_event bigint not null default 0,
    input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    cached_tokens bigint not null default 0,
    cost_micros bigint not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant, session)
  )`,
  `create index sessions_recent on perdura.sessions (tenant, updated_at desc)`,

  // run, epoch and stage are the fence; generation tells caches that something they may
  // hold was superseded; parent and parent_seq make a fork share its parent's messages.
  `create table perdura.transcripts (
    tenant text not null,
    transcript text not null,
    session text not null,
    parent text,
    parent_seq int,
    run text not null,
    epoch int not null default 1,
    stage bigint not null default -1,
    generation int not null default 0,
    created_at timestamptz not null default now(),
    primary key (tenant, transcript)
  )`,
  `create table perdura.transcript_runs (
    tenant text not null,
    transcript text not null,
    run text not null,
    epoch int not null,
    at timestamptz not null default now(),
    primary key (tenant, transcript, run)
  )`,
  `create table perdura.messages (
    row_id bigint generated always as identity primary key,
    tenant text not null,
    transcript text not null,
    seq int not null,
    key text not null,
    epoch int not null,
    stage bigint not null,
    turn int not null,
    step int not null,
    attempt int not null,
    message_id text,
    body json not null,
    usage json,
    at timestamptz not null default clock_timestamp(),
    superseded_at timestamptz
  )`,
  `create unique index messages_place on perdura.messages (tenant, transcript, seq)
     where superseded_at is null`,
  `create unique index messages_once on perdura.messages (tenant, transcript, message_id)
     where superseded_at is null and message_id is not null`,

  `create table perdura.events (
    tenant text not null,
    session text not null,
    n bigint not null,
    key text not null,
    type text not null,
    body json not null,
    message_row bigint,
    at timestamptz not null default clock_timestamp(),
    primary key (tenant, session, n)
  )`,
  `create unique index events_once on perdura.events (tenant, session, key)`,

  // One row an attempt of a model call, written before the call: what a killed worker was
  // billed for is here, estimated, under the outcome 'lost'.
  `create table perdura.attempts (
    tenant text not null,
    session text not null,
    run text not null,
    turn int not null,
    step int not null,
    stage bigint not null,
    kind text not null,
    attempt int not null,
    model text not null,
    outcome text not null,
    failure json,
    input_tokens int not null default 0,
    output_tokens int not null default 0,
    cached_tokens int not null default 0,
    reasoning_tokens int not null default 0,
    cost_micros bigint not null default 0,
    estimated boolean not null default true,
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    primary key (tenant, session, run, stage, step, kind, attempt)
  )`,

  `create table perdura.tool_runs (
    tenant text not null,
    session text not null,
    key text not null,
    name text not null,
    effect text not null,
    attempt int not null,
    turn int not null,
    step int not null,
    outcome text not null,
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    primary key (tenant, session, key)
  )`,

  `create table perdura.artifacts (
    tenant text not null,
    artifact text not null,
    session text not null,
    media_type text not null,
    bytes int not null,
    content bytea not null,
    created_at timestamptz not null default now(),
    primary key (tenant, artifact)
  )`,
  `create table perdura.spills (
    tenant text not null,
    session text not null,
    spill text not null,
    messages json not null,
    created_at timestamptz not null default now(),
    primary key (tenant, session, spill)
  )`,
  `create table perdura.mcp_pins (
    tenant text not null,
    server text not null,
    tool text not null,
    digest text not null,
    accepted_at timestamptz not null default now(),
    primary key (tenant, server, tool)
  )`,

  /*
   * append(p): the fence, then messages, attempt, events, session, in one commit.
   *
   *   p: tenant, session, transcript, run, stage, head,
   *      messages?: [{seq, key, turn, step, attempt, messageId?, body, usage?, with?}],
   *                              with: not if the message at that place was there before
   *      probe?: {seq, key}      is this place taken by this key already?
   *      attempt?: {turn, step, kind, attempt, model, outcome, failure?, usage},
   *      toolRun?: {key, outcome},
   *      events?: [{key, type, body, seq?, messageId?, with?}],
   *      updates?: {state?, turn?, head?, failure?, force?},
   *      onlyIfNew?: true        no event and no update when every message is a duplicate,
   *      channel
   *   → {fenced?, generation, lastEvent, existing: [{seq, body, usage}], duplicates: [id],
   *      failures: attempts of this step that the model failed,
   *      lastFailure: the newest of them with a text that the next attempt must know,
   *      state: of the session, before this write}
   *
   * The fence. A run that has not been seen takes the transcript over (continue-as-new, or
   * a reset); a run that was taken over, and a stage below the newest, are refused. The first
   * write of a stage supersedes whatever lies behind the head that its workflow knows: that
   * was written by an attempt nobody accepted. A write without a stage is a note (a pause):
   * it belongs to no step, so only the run is fenced, and it may hold no message.
   *
   * Within a stage a place is written once: who comes second gets what is there.
   */
  `create function perdura.append(p jsonb) returns json language plpgsql as $fn$
declare
  v_tenant text := p->>'tenant';
  v_session text := p->>'session';
  v_transcript text := p->>'transcript';
  v_run text := p->>'run';
  v_stage bigint := (p->>'stage')::bigint;
  v_head int := (p->>'head')::int;
  a jsonb := p->'attempt';
  u jsonb;
  t perdura.transcripts;
  m jsonb;
  e jsonb;
  r record;
  v_n bigint;
  v_start bigint;
  v_row bigint;
  v_count int;
  v_failures int := 0;
  v_failure json;
  v_rows jsonb := '{}';
  v_existing jsonb := '[]';
  v_duplicates jsonb := '[]';
  v_in bigint := 0; v_out bigint := 0; v_cached bigint := 0; v_cost bigint := 0;
  v_known perdura.attempts;
  v_fenced boolean := false;
  v_repeated boolean := false;
  v_state text;
begin
  select * into t from perdura.transcripts
    where tenant = v_tenant and transcript = v_transcript for update;
  if not found then
    raise exception 'no transcript % of tenant %', v_transcript, v_tenant using errcode = 'PD404';
  end if;

  -- Attempts are a record of what was paid, not of what was accepted: before the fence.
  if a is not null then
    u := a->'usage';
    if a->>'outcome' = 'running' then
      with lost as (
        update perdura.attempts set outcome = 'lost', ended_at = clock_timestamp()
          where tenant = v_tenant and session = v_session and run = v_run and stage = v_stage
            and step = (a->>'step')::int and kind = a->>'kind' and attempt < (a->>'attempt')::int and outcome = 'running'
          returning input_tokens, output_tokens, cached_tokens, cost_micros)
      select coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
             coalesce(sum(cached_tokens), 0), coalesce(sum(cost_micros), 0)
        into v_in, v_out, v_cached, v_cost from lost;
      insert into perdura.attempts (tenant, session, run, turn, step, stage, kind, attempt, model,
          outcome, input_tokens, cost_micros)
        values (v_tenant, v_session, v_run, (a->>'turn')::int, (a->>'step')::int, v_stage,
          a->>'kind', (a->>'attempt')::int, a->>'model', 'running', (u->>'input')::int,
          (u->>'costMicros')::bigint)
        on conflict do nothing;
    else
      select * into v_known from perdura.attempts
        where tenant = v_tenant and session = v_session and run = v_run and stage = v_stage
          and step = (a->>'step')::int and kind = a->>'kind' and attempt = (a->>'attempt')::int;
      update perdura.attempts set outcome = a->>'outcome', failure = a->'failure',
          model = a->>'model',
          input_tokens = (u->>'input')::int, output_tokens = (u->>'output')::int,
          cached_tokens = (u->>'cached')::int, reasoning_tokens = (u->>'reasoning')::int,
          cost_micros = (u->>'costMicros')::bigint,
          estimated = coalesce((u->>'estimated')::boolean, false), ended_at = clock_timestamp()
        where tenant = v_tenant and session = v_session and run = v_run and stage = v_stage
          and step = (a->>'step')::int and kind = a->>'kind' and attempt = (a->>'attempt')::int
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
        and step = (a->>'step')::int and kind = a->>'kind' and outcome = 'failed' and failure->>'type' like 'Model.%';
    select failure into v_failure from perdura.attempts
      where tenant = v_tenant and session = v_session and run = v_run and stage = v_stage
        and step = (a->>'step')::int and kind = a->>'kind' and outcome = 'failed' and failure->>'text' is not null
      order by attempt desc limit 1;
  end if;

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

  if v_stage > t.stage then
    update perdura.messages set superseded_at = now()
      where tenant = v_tenant and transcript = v_transcript and seq > v_head
        and superseded_at is null
        -- A sender's message that is about to be written at the same place again is the same.
        and not exists (select 1 from jsonb_array_elements(p->'messages') again
          where (again->>'seq')::int = messages.seq and again->>'key' = messages.key
            and again->>'messageId' = messages.message_id);
    get diagnostics v_count = row_count;
    if v_count > 0 then t.generation := t.generation + 1; end if;
    update perdura.transcripts set stage = v_stage, generation = t.generation
      where tenant = v_tenant and transcript = v_transcript;
  end if;

  if p->'probe' is not null then
    for r in select seq, body, usage from perdura.messages
      where tenant = v_tenant and transcript = v_transcript and superseded_at is null
        and seq = (p->'probe'->>'seq')::int and key = p->'probe'->>'key'
    loop
      v_existing := v_existing || jsonb_build_object('seq', r.seq, 'body', r.body, 'usage', r.usage);
    end loop;
  end if;

  if p->'messages' is not null then
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
      elsif m->>'messageId' is not null and exists (
          select 1 from perdura.messages where tenant = v_tenant and transcript = v_transcript
            and message_id = m->>'messageId' and superseded_at is null) then
        v_duplicates := v_duplicates || to_jsonb(m->>'messageId');
      else
        insert into perdura.messages (tenant, transcript, seq, key, epoch, stage, turn, step,
            attempt, message_id, body, usage)
          values (v_tenant, v_transcript, (m->>'seq')::int, m->>'key', t.epoch, v_stage,
            (m->>'turn')::int, (m->>'step')::int, (m->>'attempt')::int, m->>'messageId',
            m->'body', m->'usage')
          returning row_id into v_row;
        v_rows := v_rows || jsonb_build_object(m->>'seq', v_row);
      end if;
    end loop;
  end if;

  v_repeated := p->>'onlyIfNew' is not null and jsonb_array_length(v_duplicates) > 0
    and jsonb_array_length(v_duplicates) = jsonb_array_length(p->'messages');
  if v_repeated and a->>'outcome' = 'running' then
    -- Its call was begun on the strength of messages that are nothing new.
    update perdura.attempts set outcome = 'superseded', ended_at = clock_timestamp()
      where tenant = v_tenant and session = v_session and run = v_run and stage = v_stage
        and step = (a->>'step')::int and kind = a->>'kind' and attempt = (a->>'attempt')::int and outcome = 'running';
  end if;

  if p->'toolRun' is not null then
    update perdura.tool_runs set outcome = p->'toolRun'->>'outcome', ended_at = clock_timestamp()
      where tenant = v_tenant and session = v_session and key = p->'toolRun'->>'key';
  end if;

  select last_event, state into v_n, v_state from perdura.sessions
    where tenant = v_tenant and session = v_session for update;
  v_start := v_n;
  if p->'events' is not null and not v_repeated then
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
  end if;

  u := case when v_repeated then null else p->'updates' end;
  if v_n > v_start or u is not null or a is not null then
    update perdura.sessions set
        last_event = v_n,
        -- Indexed: moved at most once a second, so that most updates stay within their page.
        updated_at = case when updated_at < now() - interval '1 second' then now() else updated_at end,
        -- A step that ends does not wake a session that was paused meanwhile.
        state = case when u->>'state' is null then state
          when state = 'paused' and u->>'force' is null then state else u->>'state' end,
        turn = coalesce((u->>'turn')::int, turn),
        head = coalesce((u->>'head')::int, head),
        failure = case when u->>'state' is null then failure else (u->'failure')::json end,
        input_tokens = input_tokens + coalesce(v_in, 0),
        output_tokens = output_tokens + coalesce(v_out, 0),
        cached_tokens = cached_tokens + coalesce(v_cached, 0),
        cost_micros = cost_micros + coalesce(v_cost, 0)
      where tenant = v_tenant and session = v_session;
  end if;
  if v_n > v_start then
    perform pg_notify(p->>'channel', json_build_object('type', 'wake', 'n', v_n)::text);
  end if;
  return json_build_object('generation', t.generation, 'lastEvent', v_n, 'existing', v_existing,
    'duplicates', v_duplicates, 'failures', v_failures, 'lastFailure', v_failure, 'epoch', t.epoch,
    'state', v_state);
end
$fn$`,

  // Enters a session once; run again by every run of its workflow.
  `create function perdura.open_session(p jsonb) returns json language plpgsql as $fn$
declare
  v_new boolean;
begin
  insert into perdura.sessions (tenant, session, workflow_id, agent, title, transcript, state)
    values (p->>'tenant', p->>'session', p->>'workflowId', p->>'agent', p->>'title',
      p->>'transcript', 'idle')
    on conflict (tenant, session) do nothing;
  v_new := found;
  insert into perdura.transcripts (tenant, transcript, session, run)
    values (p->>'tenant', p->>'transcript', p->>'session', p->>'run')
    on conflict (tenant, transcript) do nothing;
  if found then
    insert into perdura.transcript_runs (tenant, transcript, run, epoch)
      values (p->>'tenant', p->>'transcript', p->>'run', 1);
  end if;
  return (select json_build_object('new', v_new, 'head', coalesce(max(m.seq), 0),
      'turn', coalesce(max(m.turn), 0))
    from perdura.messages m where m.tenant = p->>'tenant' and m.transcript = p->>'transcript'
      and m.superseded_at is null);
end
$fn$`,
];
