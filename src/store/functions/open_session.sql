/*
 * perdura.open_session(p): enters a session and its transcript once; called again by every run of its
 * workflow. The rule of append.sql about earlier versions applies.
 *
 *   p: tenant, session, transcript, run, workflowId, agent, version?, title?,
 *      parent?, root?, onParentEnd?,    names of runs. The catalogue's word for the root counts.
 *      most?                            sessions below the root that have not ended
 *   → {new, head, turn, agent, version,   how far the transcript goes already, and with which agent
 *      full?}                             not entered: so many sessions are below the root
 */
create or replace function perdura.open_session(p jsonb) returns json language plpgsql as $fn$
declare
  v_new boolean;
  v_parent text := p->>'parent';
  v_above text := regexp_replace(p->>'parent', '^session/', '');
  v_root text;
  v_path text[];
  v_count int;
  v_head int;
  v_turn int;
begin
  if v_parent is not null then
    select s.root, s.path into v_root, v_path from perdura.sessions s
      where s.tenant = p->>'tenant' and s.session = v_above and v_parent <> v_above;
    if not found then
      v_root := p->>'root';
    end if;
    v_root := coalesce(v_root, v_parent);
    v_path := coalesce(v_path, array[v_above]) || (p->>'session');
  end if;
  if v_root is not null and p ? 'most' then
    -- One after another within a tree, so that the count holds.
    perform pg_advisory_xact_lock(hashtextextended((p->>'tenant') || '.' || v_root, 6));
    select count(*) into v_count from perdura.sessions
      where tenant = p->>'tenant' and root = v_root and state <> 'terminated'
        and session <> p->>'session';
    if v_count >= (p->>'most')::int and not exists (select from perdura.sessions
        where tenant = p->>'tenant' and session = p->>'session') then
      return json_build_object('new', false, 'head', 0, 'turn', 0, 'full', v_count);
    end if;
  end if;
  insert into perdura.sessions (tenant, session, workflow_id, agent, version, title, transcript, state,
      parent, root, path, on_parent_end)
    values (p->>'tenant', p->>'session', p->>'workflowId', p->>'agent', p->>'version', p->>'title',
      p->>'transcript', 'idle', v_parent, v_root, v_path, p->>'onParentEnd')
    on conflict (tenant, session) do nothing;
  v_new := found;
  if not v_new and p->>'version' is not null then
    -- A session of an earlier version of Perdura, which recorded none.
    update perdura.sessions set agent = p->>'agent', version = p->>'version'
      where tenant = p->>'tenant' and session = p->>'session' and version is null;
  end if;
  insert into perdura.transcripts (tenant, transcript, session, run)
    values (p->>'tenant', p->>'transcript', p->>'session', p->>'run')
    on conflict (tenant, transcript) do nothing;
  if found then
    insert into perdura.transcript_runs (tenant, transcript, run, epoch)
      values (p->>'tenant', p->>'transcript', p->>'run', 1);
  end if;
  -- A fork goes on behind what it shares with its parent.
  select t.parent_seq, (s.fork->>'turn')::int into v_head, v_turn from perdura.transcripts t
    join perdura.sessions s on s.tenant = t.tenant and s.session = t.session
    where t.tenant = p->>'tenant' and t.transcript = p->>'transcript' and t.parent is not null;
  return (select json_build_object('new', v_new, 'head', coalesce(max(m.seq), v_head, 0),
      'turn', coalesce(max(m.turn), v_turn, 0),
      'agent', (select s.agent from perdura.sessions s
        where s.tenant = p->>'tenant' and s.session = p->>'session'),
      'version', (select s.version from perdura.sessions s
        where s.tenant = p->>'tenant' and s.session = p->>'session'))
    from perdura.messages m where m.tenant = p->>'tenant' and m.transcript = p->>'transcript'
      and (m.superseded_at is null or m.rolled_back));
end
$fn$;
