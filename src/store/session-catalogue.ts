/** The list of sessions and what they cost, for people and for the SDK. Reads only. */
import type { Selectable } from 'kysely';
import type { FailureInfo } from '../contracts/failures.js';
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
  /** Name of the run at the top of its tree, where that is another than the parent. */
  readonly root?: string;
  /** What becomes of it when its parent ends. Absent: `end`. */
  readonly onParentEnd?: OnParentEnd;
  readonly title?: string;
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
    ...(r.on_parent_end ? { onParentEnd: r.on_parent_end as OnParentEnd } : {}),
    ...(r.title ? { title: r.title } : {}),
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
