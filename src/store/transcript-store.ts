/**
 * The transcript: appended to by activities, read by activities and readers. What may be
 * written when is decided by `perdura.append` in the database (`functions/append.sql`); this file only
 * speaks to it.
 */
import { sql } from 'kysely';
import type { SessionKey } from '../contracts/ids.js';
import type { AgentState } from '../contracts/state.js';
import type { FailureInfo } from '../contracts/failures.js';
import type { SessionEventBody } from '../contracts/events.js';
import type { StoredMessage, TranscriptMessage, Usage } from '../contracts/message.js';
import { PerduraError } from '../contracts/failures.js';
import type { Database } from './database.js';
import { toJson } from './json.js';
import { wholeUsage } from './whole-usage.js';

/** Who writes, and from where in the session's life. */
export interface Writer {
  readonly tenant: string;
  readonly session: string;
  readonly transcript: string;
  /** Run id of the workflow. */
  readonly run: string;
  /** Absent for a note that belongs to no step: only the run is fenced then. */
  readonly stage?: number;
  /** Last accepted place; what an unaccepted attempt left behind it is superseded. */
  readonly head: number;
}

/** A message to write. A place is written once; `key` says what for. */
export interface NewMessage {
  readonly seq: number;
  readonly key: string;
  readonly turn: number;
  readonly step: number;
  readonly attempt: number;
  /** The sender's id, for user messages: taken once per transcript. */
  readonly messageId?: string;
  readonly body: TranscriptMessage;
  readonly usage?: Usage;
  /** Belongs to the message at this place of the same append: left out if that was there before. */
  readonly with?: number;
}

export interface NewEvent {
  /** The same event is written once. */
  readonly key: string;
  readonly body: SessionEventBody;
  /** The message that the event is about: its text is read from there. */
  readonly seq?: number;
  /** As for messages. */
  readonly with?: number;
  /** The event did not happen if the message with this id turns out to be a duplicate. */
  readonly messageId?: string;
}

export interface AttemptRecord {
  readonly kind: 'model' | 'compact';
  readonly turn: number;
  readonly step: number;
  readonly attempt: number;
  readonly model: string;
  readonly outcome: 'running' | 'completed' | 'failed' | 'interrupted' | 'superseded';
  readonly usage: Usage;
  readonly failure?: AttemptFailure;
}

/** A failed attempt; `text` is what the model had said, where the next attempt must know it. */
export interface AttemptFailure extends FailureInfo {
  readonly text?: string;
}

/** One commit. */
export interface Append {
  readonly messages?: readonly NewMessage[];
  /** Asks whether this place is taken by this key already. */
  readonly probe?: { readonly seq: number; readonly key: string };
  readonly attempt?: AttemptRecord;
  readonly toolRun?: { readonly key: string; readonly outcome: string };
  readonly events?: readonly NewEvent[];
  readonly updates?: {
    readonly state?: AgentState;
    readonly turn?: number;
    readonly head?: number;
    readonly failure?: FailureInfo;
    /** Also when the session is paused. */
    readonly force?: true;
  };
  /** No event and no update when every message turns out to be a duplicate. */
  readonly onlyIfNew?: true;
  /** Channel that readers listen on: they are notified after the commit. */
  readonly channel: string;
}

export interface Appended {
  /** Changes when something that a cache may hold was superseded. */
  readonly generation: number;
  readonly epoch: number;
  readonly lastEvent: number;
  /** Events that this write has added. */
  readonly newEvents: number;
  /** What was there already, at places that this append (or its probe) names. */
  readonly existing: readonly { seq: number; body: TranscriptMessage; usage: Usage | null }[];
  /** Ids of messages that the transcript had already. */
  readonly duplicates: readonly string[];
  /** Ids that it has with another text; for each, an event `message.refused` was written. */
  readonly conflicts: readonly string[];
  /** Attempts of this step that the model failed, so far. */
  readonly failures: number;
  /** Of the failed attempts of this step the newest with a text that the next one must know. */
  readonly lastFailure: AttemptFailure | null;
  /** State of the session before this write. */
  readonly state: AgentState;
}

/** Behind every place. */
const END = 2_147_483_647;

/** The transcript of every session, in PostgreSQL. */
export class TranscriptStore {
  readonly #database: Database;
  readonly #onAppend: ((key: SessionKey, lastEvent: number) => void) | undefined;

  /** `onAppend` hears of every append, for readers in this process on a bus of their own. */
  constructor(database: Database, onAppend?: (key: SessionKey, lastEvent: number) => void) {
    this.#database = database;
    this.#onAppend = onAppend;
  }

  /**
   * Writes in one commit. Rejects with `Store.Fenced` when a later stage or run has taken
   * over, and with `Store.Unavailable` when PostgreSQL does not answer. `onSent` is called when
   * the statement is with PostgreSQL, which carries it out even if this process dies then.
   */
  async append(writer: Writer, append: Append, onSent?: () => void): Promise<Appended> {
    const { events, channel, messages, attempt, ...rest } = append;
    const parameter = toJson({
      ...writer,
      ...rest,
      ...(messages && { messages: messages.map(withWholeUsage) }),
      ...(attempt && { attempt: withWholeUsage(attempt) }),
      ...(events && {
        events: events.map(({ body, ...event }) => {
          const { type, ...fields } = lean(body);
          return { ...event, type, body: withWholeUsage(fields as { readonly usage?: Usage }) };
        }),
      }),
    });
    const result = await this.#call<Appended & { fenced?: true }>('append', parameter, onSent);
    if (result.fenced) {
      throw new PerduraError(
        'Store.Fenced',
        `Stage ${writer.stage ?? 'none'} of run ${writer.run} is over in session ${writer.session}: a later one has taken over.`,
      );
    }
    if (result.newEvents > 0) {
      this.#database.wakeUps.wake(channel, result.lastEvent);
      this.#onAppend?.(writer, result.lastEvent);
    }
    return result;
  }

  /** Enters a session and its transcript, once. Says how far the transcript goes already. */
  async openSession(session: {
    tenant: string;
    session: string;
    transcript: string;
    run: string;
    workflowId: string;
    agent: string;
    title?: string;
  }): Promise<{ new: boolean; head: number; turn: number }> {
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
   * What was superseded is left out.
   */
  async read(
    tenant: string,
    transcript: string,
    { after = 0, to = END }: { after?: number; to?: number } = {},
  ): Promise<StoredMessage[]> {
    const { rows } = await sql<MessageRow>`
      with recursive ${chain(tenant, transcript, to)}
      select m.seq, m.turn, m.step, m.attempt, m.body, m.usage, m.at from perdura.messages m
        join chain on m.transcript = chain.transcript and m.seq <= chain.upto
        where m.tenant = ${tenant} and m.seq > ${after} and m.superseded_at is null
        order by m.seq`.execute(this.#database.db);
    return rows.map(toStored);
  }

  /**
   * The messages up to `to` that a model may see: those behind what the newest summary covers, that
   * summary among them. All of them where there is none.
   */
  async readVisible(tenant: string, transcript: string, to: number): Promise<StoredMessage[]> {
    const { rows } = await sql<{ after: number }>`
      with recursive ${chain(tenant, transcript, to)}
      select (m.body->'covers'->>'to')::int as after from chain
        cross join lateral (
          select s.seq, s.body from perdura.messages s
            where s.tenant = ${tenant} and s.transcript = chain.transcript and s.seq <= chain.upto
              and s.superseded_at is null and s.body->>'role' = 'summary'
            order by s.seq desc limit 1) m
        order by m.seq desc limit 1`.execute(this.#database.db);
    return this.read(tenant, transcript, { after: rows[0]?.after ?? 0, to });
  }

  /** What the run that has the transcript now wrote at one stage behind `after`, oldest first. */
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
          and m.seq > ${after} and m.superseded_at is null
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

interface MessageRow {
  readonly seq: number;
  readonly turn: number;
  readonly step: number;
  readonly attempt: number;
  readonly body: TranscriptMessage;
  readonly usage: Usage | null;
  readonly at: Date;
}

function toStored({ body, usage, at, ...row }: MessageRow): StoredMessage {
  return { ...row, message: body, ...(usage ? { usage } : {}), at: at.toISOString() };
}

/** A transcript and those that it was forked from, each up to the place where the fork is. */
function chain(tenant: string, transcript: string, to: number) {
  return sql`chain(transcript, upto) as (
    select ${transcript}::text, ${to}::int
    union all
    select t.parent, least(chain.upto, t.parent_seq) from chain
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
