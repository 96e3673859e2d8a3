/*
 * perdura.open_session(p): enters a session and its transcript once; called again by every run of its
 * workflow. The rule of append.sql about earlier versions applies.
 *
 *   p: tenant, session, transcript, run, workflowId, agent, title?,
 *      tree?: {parent, root, path, kept?, most?}   most: sessions below the root that have not ended
 *   → {new, head, turn,   how far the transcript goes already
 *      full?}              not entered: so many sessions are below the root
 */
create or replace function perdura.open_session(p jsonb) returns json language plpgsql as $fn$
declare
  v_new boolean;
  v_tree jsonb := p->'tree';
  v_count int;
begin
  if v_tree ? 'most' then
    -- One after another within a tree, so that the count holds.
    perform pg_advisory_xact_lock(hashtextextended((p->>'tenant') || '.' || (v_tree->>'root'), 6));
    select count(*) into v_count from perdura.sessions
      where tenant = p->>'tenant' and root = v_tree->>'root' and state <> 'terminated'
        and session <> p->>'session';
    if v_count >= (v_tree->>'most')::int and not exists (select from perdura.sessions
        where tenant = p->>'tenant' and session = p->>'session') then
      return json_build_object('new', false, 'head', 0, 'turn', 0, 'full', v_count);
    end if;
  end if;
  insert into perdura.sessions (tenant, session, workflow_id, agent, title, transcript, state,
      parent, root, path, kept)
    values (p->>'tenant', p->>'session', p->>'workflowId', p->>'agent', p->>'title',
      p->>'transcript', 'idle', v_tree->>'parent', v_tree->>'root',
      case when v_tree ? 'path' then array(select jsonb_array_elements_text(v_tree->'path')) end,
      coalesce((v_tree->>'kept')::boolean, false))
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
$fn$;
