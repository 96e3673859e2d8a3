/**
 * What waits for people, and forks: the inbox among 1 and among 10,000 requests that wait, a decision,
 * and a fork of a session of 10 and of 10,000 messages. The store alone, without Temporal.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { openDatabase, type Database } from '../src/store/database.js';
import { ForkStore } from '../src/store/fork-store.js';
import { RequestStore } from '../src/store/request-store.js';
import { median, nowMs } from './statistics.js';

export interface InboxResults {
  /** Requests that wait. */
  readonly waiting: number;
  /** A page of 50, median, ms. */
  readonly listMs: number;
  /** A decision, median, ms. */
  readonly decideMs: number;
}

export interface ForkResults {
  readonly messages: number;
  /** Median, ms. */
  readonly ms: number;
}

export interface PeopleResults {
  readonly inbox: readonly InboxResults[];
  readonly fork: readonly ForkResults[];
}

export async function measurePeople(
  databaseUrl: string,
  tenant: string,
  { sizes, calls }: { sizes: readonly number[]; calls: number },
): Promise<PeopleResults> {
  const database = openDatabase(databaseUrl, { maxConnections: 2, silenceMs: 0 });
  try {
    const inbox: InboxResults[] = [];
    const fork: ForkResults[] = [];
    for (const size of sizes) {
      inbox.push(await measureInbox(database, `${tenant}-i${size}`, size, calls));
      fork.push(await measureFork(database, `${tenant}-f${size}`, size, calls));
    }
    return { inbox, fork };
  } finally {
    await database.close();
  }
}

async function measureInbox(
  database: Database,
  tenant: string,
  waiting: number,
  calls: number,
): Promise<InboxResults> {
  const store = new RequestStore(database);
  // Each of a session of its own, and as many that were decided before.
  await sql`insert into perdura.requests (tenant, id, kind, state, session, workflow_id, root, path,
      call_key, turn, step, agent, name, arguments, digest, rule, requesters, taken_at)
    select ${tenant}, md5(state || n), 'approval', state, 's' || n, 'w' || n, 'session/s' || n,
        array['s' || n], 'c2.0', 1, 1, 'assistant', 'file_write', '{"path":"/a"}', md5('d' || n),
        'high-risk tool', array['alice'], case when state = 'waiting' then null else now() end
      from generate_series(1, ${waiting + calls}) n, unnest(array['waiting', 'approved']) state`.execute(
    database.db,
  );
  await sql`analyze perdura.requests`.execute(database.db);
  const lists: number[] = [];
  const decisions: number[] = [];
  for (let i = 1; i <= calls; i++) {
    const began = nowMs();
    await store.list(tenant, { states: ['waiting'], limit: 50 });
    lists.push(nowMs() - began);
    const { rows } = await sql<{ id: string; digest: string }>`
      select id, digest from perdura.requests where tenant = ${tenant} and id = md5('waiting' || ${i}::text)`.execute(
      database.db,
    );
    const { id, digest } = rows[0]!;
    const decided = nowMs();
    const done = await store.decide(tenant, id, { state: 'approved', by: 'bob', digest });
    decisions.push(nowMs() - decided);
    if (!done) throw new Error('A request that waits was not decided.');
  }
  await sql`delete from perdura.requests where tenant = ${tenant}`.execute(database.db);
  return { waiting, listMs: median(lists), decideMs: median(decisions) };
}

async function measureFork(
  database: Database,
  tenant: string,
  messages: number,
  calls: number,
): Promise<ForkResults> {
  const session = 'source';
  const { db } = database;
  const turns = messages / 2;
  await sql`select perdura.open_session(${JSON.stringify({
    tenant,
    session,
    transcript: session,
    run: 'run',
    workflowId: randomUUID(),
    agent: 'assistant',
  })}::jsonb)`.execute(db);
  await sql`insert into perdura.messages (tenant, transcript, seq, key, epoch, stage, turn, step,
      attempt, body)
    select ${tenant}, ${session}, n, 'k' || n, 1, n, (n + 1) / 2, 1, 1,
        json_build_object('role', 'user', 'id', 'm' || n, 'text', 'some words')
      from generate_series(1, ${messages}::int) n`.execute(db);
  await sql`insert into perdura.events (tenant, session, n, key, type, body, message_row)
    select ${tenant}, ${session}, turn, '1:t' || turn || '.end', 'turn.completed',
        json_build_object('turn', turn), row_id
      from perdura.messages where tenant = ${tenant} and seq = 2 * turn`.execute(db);
  await sql`update perdura.sessions set turn = ${turns}, head = ${messages}
    where tenant = ${tenant} and session = ${session}`.execute(db);
  await sql`analyze perdura.messages, perdura.events`.execute(db);
  const store = new ForkStore(database);
  const times: number[] = [];
  for (let i = 0; i < calls; i++) {
    const turn = Math.max(1, Math.floor(((i + 1) / (calls + 1)) * turns));
    const began = nowMs();
    const made = await store.fork({
      tenant,
      from: session,
      session: `f${i}`,
      workflowId: randomUUID(),
      turn,
    });
    times.push(nowMs() - began);
    if (!('head' in made) || made.head !== 2 * turn) throw new Error('A fork is at another place.');
  }
  for (const table of ['messages', 'transcripts', 'transcript_runs', 'events', 'sessions']) {
    await sql`delete from ${sql.raw(`perdura.${table}`)} where tenant = ${tenant}`.execute(db);
  }
  return { messages, ms: median(times) };
}
