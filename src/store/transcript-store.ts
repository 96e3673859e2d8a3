/**
 * The transcript: appended to by activities, read by activities and readers. What may be
 * written when is decided by `perdura.append` in the database (`functions/append.sql`); this file only
 * speaks to it.
 */
import { sql } from 'kysely';
import type { SessionEventBody } from '../contracts/events.js';
import { PerduraError } from '../contracts/failures.js';
import type { StoredMessage, TranscriptMessage, Usage } from '../contracts/message.js';
import type { Append, Appended, NewSession, OpenedSession, Writer } from './append-types.js';
import type { Database } from './database.js';
import { toJson } from './json.js';
import type { StoreHooks, TranscriptRange, Transcripts } from './stores.js';
import type { WakeUps } from './wake-ups.js';
import { wholeUsage } from './whole-usage.js';

export type * from './append-types.js';

/** Behind every place. */
const END = 2_147_483_647;

/** Events that no caller waits for: they may reach readers a few ms later, together. */
const UNHURRIED: readonly SessionEventBody['type'][] = [
  'message.accepted',
  'turn.started',
  'step.started',
  'step.completed',
  'tool.started',
  'tool.completed',
];

/** What the transcript needs of a database. */
export interface TranscriptDatabase extends Pick<Database, 'db' | 'pool'> {
  readonly wakeUps: Pick<WakeUps, 'beginWrite'>;
}

/** The transcript of every session, in PostgreSQL. */
export class TranscriptStore implements Transcripts {
  readonly #database: TranscriptDatabase;
  readonly #onAppend: StoreHooks['onAppend'];
  readonly #onGranted: StoreHooks['onGranted'];

  constructor(database: TranscriptDatabase, { onAppend, onGranted }: StoreHooks = {}) {
    this.#database = database;
    this.#onAppend = onAppend;
    this.#onGranted = onGranted;
  }

  /**
   * Writes in one commit. Rejects with `Store.Fenced` when a later stage or run has taken
   * over, and with `Store.Unavailable` when PostgreSQL does not answer. `onSent` is called when
   * the statement is with PostgreSQL, which carries it out even if this process dies then.
   */
  async append(writer: Writer, append: Append, onSent?: () => void): Promise<Appended> {
    const { channel, events } = append;
    const urgent = !events?.every(({ body }) => UNHURRIED.includes(body.type));
    const write = this.#database.wakeUps.beginWrite(channel, urgent);
    let result: Appended & { fenced?: true };
    try {
      const parameter = parameterOf(writer, append, write.wakes);
      result = await this.#call('append', parameter, onSent);
    } finally {
      write.end();
    }
    if (result.fenced) {
      throw new PerduraError(
        'Store.Fenced',
        `Stage ${writer.stage ?? 'none'} of run ${writer.run} is over in session ${writer.session}: a later one has taken over.`,
      );
    }
    if (result.newEvents > 0) {
      write.wake(result.lastEvent);
      this.#onAppend?.(writer, result.lastEvent);
    }
    if (result.grants && result.grants.length > 0) this.#onGranted?.(result.grants);
    return result;
  }

  /** Enters a session and its transcript, once. Says how far the transcript goes already. */
  async openSession(session: NewSession): Promise<OpenedSession> {
    return this.#call('open_session', toJson(session));
  }

  /** Enters a transcript that no session has, once. It has no events. */
  async openTranscript({
    tenant,
    session,
    transcript,
    run,
  }: Pick<Writer, 'tenant' | 'session' | 'transcript' | 'run'>): Promise<void> {
    await sql`
      with entered as (
        insert into perdura.transcripts (tenant, transcript, session, run)
          values (${tenant}, ${transcript}, ${session}, ${run})
          on conflict (tenant, transcript) do nothing returning run)
      insert into perdura.transcript_runs (tenant, transcript, run, epoch)
        select ${tenant}, ${transcript}, run, 1 from entered`.execute(this.#database.db);
  }

  /**
   * The messages with `after < seq <= to`, oldest first; a fork continues its parent.
   * What was superseded is left out; turns that were rolled back too, unless they are asked for.
   * `withPinned`: those too that are pinned, wherever they are.
   */
  async read(
    tenant: string,
    transcript: string,
    {
      after = 0,
      to = END,
      rolledBack = false,
      withPinned = false,
    }: TranscriptRange & { withPinned?: boolean } = {},
  ): Promise<StoredMessage[]> {
    const { rows } = await sql<MessageRow>`
      with recursive ${chain(tenant, transcript, to)}
      select m.seq, m.turn, m.step, m.attempt, m.body, m.usage, m.at, m.pinned, m.rolled_back
        from perdura.messages m
        join chain on m.transcript = chain.transcript and m.seq <= chain.upto
        where m.tenant = ${tenant} and ${asOfFork}
          and ${withPinned ? sql`(m.seq > ${after} or m.pinned)` : sql`m.seq > ${after}`}
          and ${rolledBack ? sql`(m.superseded_at is null or m.rolled_back or m.superseded_at > chain.at)` : sql`(m.superseded_at is null or m.superseded_at > chain.at)`}
        order by m.seq`.execute(this.#database.db);
    return rows.map(toStored);
  }

  /**
   * Pins a message, or not, for all calls that begin from now on: what workers have in their caches is
   * no longer good. A tool call and its results are pinned together, since no provider takes one
   * without the other. Answers with whether there is such a message.
   */
  async pin(tenant: string, transcript: string, seq: number, pinned: boolean): Promise<boolean> {
    const of = sql`tenant = ${tenant} and transcript = ${transcript} and superseded_at is null`;
    const { rows } = await sql<{ seq: number }>`
      with held as (
        update perdura.transcripts set generation = generation + 1
          where tenant = ${tenant} and transcript = ${transcript} returning 1
      ), together as (
        select (select max(seq) from perdura.messages
                where ${of} and seq <= ${seq} and body->>'role' <> 'tool') as first,
            (select min(seq) from perdura.messages
                where ${of} and seq > ${seq} and body->>'role' <> 'tool') as behind
          where exists (select 1 from perdura.messages where ${of} and seq = ${seq})
      )
      update perdura.messages m set pinned = ${pinned} from held, together
        where m.tenant = ${tenant} and m.transcript = ${transcript} and m.superseded_at is null
          and m.seq >= coalesce(together.first, ${seq})
          and m.seq < coalesce(together.behind, ${END})
        returning m.seq`.execute(this.#database.db);
    return rows.length > 0;
  }

  /**
   * The messages up to `to` that a model may see: those behind what the newest summary covers, that
   * summary among them, and what is pinned. All of them where there is none.
   */
  async readVisible(tenant: string, transcript: string, to: number): Promise<StoredMessage[]> {
    const { rows } = await sql<{ after: number }>`
      with recursive ${chain(tenant, transcript, to)}
      select (m.body->'covers'->>'to')::int as after from chain
        cross join lateral (
          select s.seq, s.body from perdura.messages s
            where s.tenant = ${tenant} and s.transcript = chain.transcript and s.seq <= chain.upto
              and (s.superseded_at is null or s.superseded_at > chain.at)
              and (chain.at is null or s.at <= chain.at) and s.body->>'role' = 'summary'
            order by s.seq desc limit 1) m
        order by m.seq desc limit 1`.execute(this.#database.db);
    const after = rows[0]?.after ?? 0;
    return this.read(tenant, transcript, { after, to, withPinned: after > 0 });
  }

  /**
   * What the run that has the transcript now wrote at one stage behind `after`, oldest first; also
   * what was rolled back, for a retry of the rollback.
   */
  async readStage(
    tenant: string,
    transcript: string,
    { stage, after }: { stage: number; after: number },
  ): Promise<{ seq: number; message: TranscriptMessage; usage: Usage | null }[]> {
    const { rows } = await sql<{ seq: number; message: TranscriptMessage; usage: Usage | null }>`
      select m.seq, m.body as message, m.usage from perdura.messages m
        join perdura.transcripts t on t.tenant = m.tenant and t.transcript = m.transcript
          and t.epoch = m.epoch
        where m.tenant = ${tenant} and m.transcript = ${transcript} and m.stage = ${stage}
          and m.seq > ${after} and (m.superseded_at is null or m.rolled_back)
        order by m.seq`.execute(this.#database.db);
    return rows;
  }

  async #call<T>(name: string, parameter: string, onSent?: () => void): Promise<T> {
    const client = await this.#database.pool.connect();
    let failed = true;
    try {
      // A named statement is planned once per connection: this is the hot path.
      const answer = client.query<{ r: T }>({
        name: `perdura-${name}`,
        text: `select perdura.${name}($1::jsonb) as r`,
        values: [parameter],
      });
      onSent?.();
      const { rows } = await answer;
      failed = false;
      return rows[0]!.r;
    } finally {
      // As the pool itself does: after an error nobody knows in what state a connection is.
      client.release(failed);
    }
  }
}

/** What `perdura.append` is given. `wakes`: it wakes the readers in its own commit. */
function parameterOf(writer: Writer, append: Append, wakes: boolean): string {
  const { events, channel, messages, attempt, next, ...rest } = append;
  return toJson({
    ...writer,
    ...rest,
    ...(wakes ? { channel } : {}),
    ...(messages && { messages: messages.map(withWholeUsage) }),
    ...(attempt && { attempt: withWholeUsage(attempt) }),
    ...(next && { next: withWholeUsage(next) }),
    ...(events && {
      events: events.map(({ body, ...event }) => {
        const { type, ...fields } = lean(body);
        return { ...event, type, body: withWholeUsage(fields as { readonly usage?: Usage }) };
      }),
    }),
  });
}

interface MessageRow {
  readonly seq: number;
  readonly turn: number;
  readonly step: number;
  readonly attempt: number;
  readonly body: TranscriptMessage;
  readonly usage: Usage | null;
  readonly at: Date;
  readonly pinned: boolean;
  readonly rolled_back: boolean;
}

function toStored({ body, usage, at, pinned, rolled_back, ...row }: MessageRow): StoredMessage {
  return {
    ...row,
    message: body,
    ...(usage ? { usage } : {}),
    ...(pinned ? { pinned: true } : {}),
    at: at.toISOString(),
    ...(rolled_back ? { rolledBack: true } : {}),
  };
}

/** Of what a fork shares with its parent: what was there when it was made. */
const asOfFork = sql`(chain.at is null or m.at <= chain.at)`;

/**
 * A transcript and those that it was forked from, each up to the place where the fork is and as it was
 * then: a parent may be reset behind that place.
 */
function chain(tenant: string, transcript: string, to: number) {
  return sql`chain(transcript, upto, at) as (
    select ${transcript}::text, ${to}::int, null::timestamptz
    union all
    select t.parent, least(chain.upto, t.parent_seq), t.created_at from chain
      join perdura.transcripts t on t.tenant = ${tenant} and t.transcript = chain.transcript
      where t.parent is not null)`;
}

/** The one door for numbers of providers: see {@link wholeUsage}. */
function withWholeUsage<T extends { readonly usage?: Usage }>(of: T): T {
  return of.usage ? { ...of, usage: wholeUsage(of.usage) } : of;
}

/** Texts of messages are kept with the message; the event reads them from there. */
function lean(body: SessionEventBody): SessionEventBody {
  switch (body.type) {
    case 'message.accepted':
      return { ...body, text: '' };
    case 'turn.completed':
      return { ...body, text: '' };
    case 'step.completed': {
      const { toolCalls: _calls, reasoning: _reasoning, ...rest } = body;
      return { ...rest, text: '' };
    }
    default:
      return body;
  }
}
