/*
 * perdura.open_session(p): enters a session and its transcript once; called again by every run of its
 * workflow. The rule of append.sql about earlier versions applies.
 *
 *   p: tenant, session, transcript, run, workflowId, agent, title?
 *   → {new, head, turn}   how far the transcript goes already
 */
create or replace function perdura.open_session(p jsonb) returns json language plpgsql as $fn$
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
      and (m.superseded_at is null or m.rolled_back));
end
$fn$;
