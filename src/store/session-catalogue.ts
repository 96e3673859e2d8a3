/** The list of sessions and what they cost, for people and for the SDK. Reads only. */
import { sql, type Selectable } from 'kysely';
import { PerduraError, type FailureInfo } from '../contracts/failures.js';
import type { ForkPoint } from '../contracts/events.js';
import type { SessionKey } from '../contracts/ids.js';
import type { OnParentEnd } from '../contracts/session.js';
import type { AgentState } from '../contracts/state.js';
import type { Database } from './database.js';
import type { Sessions } from './stores.js';
import type { Tables } from './tables.js';

/** A session in the catalogue. */
export interface SessionRecord {
  readonly tenant: string;
  readonly session: string;
  readonly workflowId: string;
  readonly transcript: string;
  /** The agent that it runs now. */
  readonly agent: string;
  /** Version of its definition. Absent in sessions of earlier versions. */
  readonly version?: string;
  /** Name of the run that started it, such as `session/notes`. Absent: nobody's child. */
  readonly parent?: string;
  /** Name of the run at the top of its tree. Absent: nobody's child. */
  readonly root?: string;
  /** Names from the root down to the session. Absent: nobody's child. */
  readonly path?: readonly string[];
  /** What becomes of it when its parent ends. Absent: `end`. */
  readonly onParentEnd?: OnParentEnd;
  readonly title?: string;
  /** Where it was forked. Absent: it was not. */
  readonly fork?: ForkPoint;
  readonly state: AgentState;
  /** Turns begun. */
  readonly turns: number;
  readonly head: number;
  readonly lastEvent: number;
  readonly failure?: FailureInfo;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  /** Micro-dollars (1e-6 USD), failed and interrupted attempts included. */
  readonly costMicros: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** Which sessions, and from where on. */
export interface SessionPageOptions {
  /** 1 to 1,000. Default 50. */
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: string;
  readonly state?: AgentState | readonly AgentState[];
  readonly agent?: string;
  readonly version?: string;
  /** Name of the run that started them. */
  readonly parent?: string;
  /** A part of the title, in any case. */
  readonly title?: string;
}

/** Some sessions, the newest first. */
export interface SessionPage {
  readonly agents: readonly SessionRecord[];
  /** Where the next page begins. Absent on the last one. */
  readonly next?: string;
}

const MOST_OF_A_PAGE = 1_000;

/** How far a session has come, and the run that its transcript belongs to. */
export interface SessionPlace {
  readonly state: AgentState;
  readonly transcript: string;
  readonly run: string;
  readonly head: number;
}

export class SessionCatalogue implements Sessions {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Sessions of a tenant, the newest first. */
  async list(
    tenant: string,
    options: { limit?: number; state?: AgentState; agent?: string } = {},
  ): Promise<SessionRecord[]> {
    let query = this.#database.db
      .selectFrom('perdura.sessions')
      .selectAll()
      .where('tenant', '=', tenant)
      .orderBy('updated_at', 'desc')
      .limit(options.limit ?? 50);
    if (options.state) query = query.where('state', '=', options.state);
    if (options.agent) query = query.where('agent', '=', options.agent);
    return (await query.execute()).map(toRecord);
  }

  async get(tenant: string, session: string): Promise<SessionRecord | undefined> {
    const row = await this.#database.db
      .selectFrom('perdura.sessions')
      .selectAll()
      .where('tenant', '=', tenant)
      .where('session', '=', session)
      .executeTakeFirst();
    return row && toRecord(row);
  }

  /**
   * A page of sessions by the time of their start: one that is started meanwhile moves no other.
   * Rejects with `Request.Invalid` for a cursor that no page gave.
   */
  async page(tenant: string, options: SessionPageOptions = {}): Promise<SessionPage> {
    const { state, agent, version, parent, title } = options;
    const limit = pageSize(options.limit);
    let query = this.#database.db
      .selectFrom('perdura.sessions')
      .selectAll()
      .select(sql<string>`created_at::text`.as('created'))
      .where('tenant', '=', tenant)
      .orderBy('created_at', 'desc')
      .orderBy('session', 'desc')
      .limit(limit + 1);
    if (state !== undefined) query = query.where('state', 'in', [state].flat());
    if (agent !== undefined) query = query.where('agent', '=', agent);
    if (version !== undefined) query = query.where('version', '=', version);
    if (parent !== undefined) query = query.where('parent', '=', parent);
    if (title !== undefined) {
      query = query.where(sql<boolean>`position(lower(${title}) in lower(title)) > 0`);
    }
    if (options.after !== undefined) {
      const [created, session] = readCursor(options.after);
      query = query.where(
        sql<boolean>`(created_at, session) < (${created}::timestamptz, ${session})`,
      );
    }
    const rows = await query.execute();
    const shown = rows.slice(0, limit);
    const last = rows.length > limit ? shown.at(-1) : undefined;
    return {
      agents: shown.map(toRecord),
      ...(last ? { next: writeCursor(last.created, last.session) } : {}),
    };
  }

  /**
   * Gives a child to the parent of its parent, if it still has the one that is named, or to nobody:
   * then it is the root of those below it.
   */
  async adopt(
    { tenant, session }: SessionKey,
    { from, to }: { from: string; to: string | null },
  ): Promise<boolean> {
    const own = `session/${session}`;
    const left = from.replace(/^session\//, '');
    const { rows } = await sql<{ moved: boolean }>`
      with child as (
        update perdura.sessions set parent = ${to},
          root = case when ${to}::text is null then null else root end,
          path = case when ${to}::text is null then null else array_remove(path, ${left}) end
        where tenant = ${tenant} and session = ${session} and parent = ${from}
        returning (select root from perdura.sessions
          where tenant = ${tenant} and session = ${session}) as root
      ), below as (
        update perdura.sessions s set
          root = case when ${to}::text is null then ${own} else s.root end,
          path = case when ${to}::text is null
            then s.path[array_position(s.path, ${session}):]
            else array_remove(s.path, ${left}) end
        from child where s.tenant = ${tenant} and s.root = child.root
          and ${session} = any(s.path[:cardinality(s.path) - 1])
      )
      select exists (select from child) as moved`.execute(this.#database.db);
    return rows[0]!.moved;
  }

  /** Sessions that have ended and have children that have not. */
  async endedParents(tenant: string): Promise<SessionRecord[]> {
    const rows = await this.#database.db
      .selectFrom('perdura.sessions as p')
      .selectAll()
      .where('p.tenant', '=', tenant)
      .where('p.state', '=', 'terminated')
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom('perdura.sessions as c')
            .select('c.session')
            .where('c.tenant', '=', tenant)
            .where('c.state', '!=', 'terminated')
            .whereRef('c.parent', '=', sql<string>`'session/' || p.session`),
        ),
      )
      .execute();
    return rows.map(toRecord);
  }

  /** The sessions below another one, at any depth, the oldest first. */
  async below(
    tenant: string,
    { name, root }: { readonly name: string; readonly root: string },
    { open = false }: { open?: boolean } = {},
  ): Promise<SessionRecord[]> {
    let query = this.#database.db
      .selectFrom('perdura.sessions')
      .selectAll()
      .where('tenant', '=', tenant)
      .where('root', '=', root)
      .where(sql<boolean>`${name} = any(path[:cardinality(path) - 1])`)
      .orderBy('created_at');
    if (open) query = query.where('state', '<>', 'terminated');
    return (await query.execute()).map(toRecord);
  }

  /** `undefined` for a session that no worker has opened yet. */
  async place({ tenant, session }: SessionKey): Promise<SessionPlace | undefined> {
    const row = await this.#database.db
      .selectFrom('perdura.sessions as s')
      .innerJoin('perdura.transcripts as t', (join) =>
        join.onRef('t.tenant', '=', 's.tenant').onRef('t.transcript', '=', 's.transcript'),
      )
      .where('s.tenant', '=', tenant)
      .where('s.session', '=', session)
      .select(['s.state', 't.transcript', 't.run', 's.head'])
      .executeTakeFirst();
    return row && { ...row, state: row.state as AgentState };
  }
}

/** Numbers at the edge: what is no count of rows is an error, not a surprise. */
function pageSize(limit = 50): number {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= MOST_OF_A_PAGE) return limit;
  throw new PerduraError(
    'Request.Invalid',
    `The limit of a page is a whole number from 1 to ${MOST_OF_A_PAGE}, not ${String(limit)}.`,
  );
}

function writeCursor(created: string, session: string): string {
  return Buffer.from(JSON.stringify([created, session])).toString('base64url');
}

function readCursor(cursor: string): readonly [string, string] {
  try {
    const value = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown;
    const [created, session] = value as unknown[];
    if (typeof created === 'string' && typeof session === 'string' && Date.parse(created) > 0) {
      return [created, session];
    }
  } catch {
    // Said below.
  }
  throw new PerduraError(
    'Request.Invalid',
    'The cursor "after" is none that a page gave. Use the "next" of the page before, as it is.',
  );
}

function toRecord(r: Selectable<Tables['perdura.sessions']>): SessionRecord {
  return {
    tenant: r.tenant,
    session: r.session,
    workflowId: r.workflow_id,
    transcript: r.transcript,
    agent: r.agent,
    ...(r.version ? { version: r.version } : {}),
    ...(r.parent ? { parent: r.parent } : {}),
    ...(r.root ? { root: r.root } : {}),
    ...(r.path ? { path: r.path } : {}),
    ...(r.on_parent_end ? { onParentEnd: r.on_parent_end as OnParentEnd } : {}),
    ...(r.title ? { title: r.title } : {}),
    ...(r.fork ? { fork: r.fork as ForkPoint } : {}),
    state: r.state as AgentState,
    turns: r.turn,
    head: r.head,
    lastEvent: Number(r.last_event),
    ...(r.failure ? { failure: r.failure as FailureInfo } : {}),
    inputTokens: Number(r.input_tokens),
    outputTokens: Number(r.output_tokens),
    cachedTokens: Number(r.cached_tokens),
    costMicros: Number(r.cost_micros),
    createdAt: r.created_at.toISOString(),
    updatedAt: r.updated_at.toISOString(),
  };
}
