/** The list of sessions and what they cost, for people and for the SDK. Reads only. */
import { sql, type Selectable } from 'kysely';
import type { FailureInfo } from '../contracts/failures.js';
import type { SessionKey } from '../contracts/ids.js';
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
  readonly agent: string;
  readonly title?: string;
  readonly state: AgentState;
  /** Turns begun. */
  readonly turns: number;
  readonly head: number;
  readonly lastEvent: number;
  readonly failure?: FailureInfo;
  /** The run that it works for, as `runName` has it. Absent for nobody's child. */
  readonly parent?: string;
  /** The run at the top of its tree. Absent for nobody's child. */
  readonly root?: string;
  /** Names from the root down to the session. Absent for nobody's child. */
  readonly path?: readonly string[];
  /** It goes on when what is above it is stopped. */
  readonly kept?: true;
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

function toRecord(r: Selectable<Tables['perdura.sessions']>): SessionRecord {
  return {
    tenant: r.tenant,
    session: r.session,
    workflowId: r.workflow_id,
    transcript: r.transcript,
    agent: r.agent,
    ...(r.title ? { title: r.title } : {}),
    state: r.state as AgentState,
    turns: r.turn,
    head: r.head,
    lastEvent: Number(r.last_event),
    ...(r.failure ? { failure: r.failure as FailureInfo } : {}),
    ...(r.parent === null ? {} : { parent: r.parent }),
    ...(r.root === null ? {} : { root: r.root }),
    ...(r.path === null ? {} : { path: r.path }),
    ...(r.kept ? { kept: true as const } : {}),
    inputTokens: Number(r.input_tokens),
    outputTokens: Number(r.output_tokens),
    cachedTokens: Number(r.cached_tokens),
    costMicros: Number(r.cost_micros),
    createdAt: r.created_at.toISOString(),
    updatedAt: r.updated_at.toISOString(),
  };
}
