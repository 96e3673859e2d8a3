/**
 * What waits for a person, and the decisions that are remembered. Requests are entered by
 * `perdura.append`; here they are read and decided. A decision changes the row of a request that
 * waits, in one statement, so of two that come together one counts.
 */
import { randomUUID } from 'node:crypto';
import { sql, type RawBuilder } from 'kysely';
import type { SessionKey } from '../contracts/ids.js';
import type { RememberScope, RequestKind, RequestState } from '../contracts/requests.js';
import type { JsonSchema } from '../contracts/tool-kinds.js';
import type { Database } from './database.js';
import { toJson } from './json.js';
import type { Requests } from './stores.js';

/** A request, as its row has it. */
export interface RequestRecord {
  /** 32 hex characters. */
  readonly id: string;
  readonly kind: RequestKind;
  readonly state: RequestState;
  readonly tenant: string;
  readonly session: string;
  /** Of the workflow that waits. */
  readonly workflowId: string;
  /** The sessions from the top of the tree down to the one that asks. */
  readonly path: readonly string[];
  /** Key of the call in its session. */
  readonly callKey: string;
  readonly turn: number;
  readonly step: number;
  readonly agent: string;
  /** Name of the tool, and the MCP server that it is of. */
  readonly tool: string;
  readonly server?: string;
  /** What would run, as the model wrote it: JSON text. Of a question: what is asked. */
  readonly arguments: string;
  /** Of the tool and its arguments: what a decision is bound to. */
  readonly digest: string;
  /** JSON Schema of the arguments, or of the answer to a question. */
  readonly schema?: JsonSchema;
  /** The rule that asks for the approval. */
  readonly rule?: string;
  /** Who may decide. Absent: anybody but the requesters. */
  readonly role?: string;
  /** People whose wish it is. */
  readonly requesters: readonly string[];
  /** ISO 8601, of the database's clock. */
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly decidedAt?: string;
  readonly decidedBy?: string;
  readonly reason?: string;
  /** The arguments as who decided has changed them, and their digest. */
  readonly edited?: string;
  readonly editedDigest?: string;
  /** To a question: JSON text. */
  readonly answer?: string;
  /** Id of the remembered decision that approved it. */
  readonly granted?: string;
  /** Whether its call has a result. */
  readonly settled: boolean;
}

/** An approval that is remembered. */
export interface ApprovalGrant {
  readonly id: string;
  readonly scope: RememberScope;
  readonly session: string;
  readonly user?: string;
  readonly tool: string;
  readonly role?: string;
  /** The request whose approval it was. */
  readonly request: string;
  readonly grantedBy: string;
  readonly reason?: string;
  readonly createdAt: string;
  readonly until?: string;
  readonly revokedAt?: string;
  readonly revokedBy?: string;
}

/** What a person has decided. */
export interface Decision {
  readonly state: Extract<RequestState, 'approved' | 'declined' | 'answered'>;
  readonly by: string;
  /** Of the request as it was seen. */
  readonly digest: string;
  readonly reason?: string;
  readonly edited?: { readonly arguments: string; readonly digest: string };
  readonly answer?: string;
  readonly remember?: { readonly scope: RememberScope; readonly until?: Date };
}

/** Which requests. */
export interface RequestFilter {
  readonly states?: readonly RequestState[];
  readonly kind?: RequestKind;
  /** Of this session alone. */
  readonly session?: string;
  /** Of this session and all below it. */
  readonly below?: string;
  /** Behind the request of this id. */
  readonly after?: string;
  readonly limit: number;
}

/** A decision that its workflow has to hear of. */
export interface UntoldDecision extends SessionKey {
  readonly workflowId: string;
  readonly callKey: string;
}

/** A call that may have been approved in advance. */
export interface GrantQuery {
  readonly tool: string;
  readonly digest: string;
  readonly role?: string;
}

/** After so long a workflow that has not acted on a decision is told again, s. */
const AGAIN_S = 15;

export class RequestStore implements Requests {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async list(tenant: string, filter: RequestFilter): Promise<RequestRecord[]> {
    const { states, kind, session, below, after, limit } = filter;
    const conditions: RawBuilder<unknown>[] = [sql`tenant = ${tenant}`];
    // In these words the partial index serves the inbox, in its order.
    if (states?.every((state) => state === 'waiting')) {
      conditions.push(
        sql`state = 'waiting' and (expires_at is null or expires_at > clock_timestamp())`,
      );
    } else if (states) conditions.push(sql`${stateNow} = any(${[...states]}::text[])`);
    if (kind !== undefined) conditions.push(sql`kind = ${kind}`);
    if (session !== undefined) conditions.push(sql`session = ${session}`);
    if (below !== undefined) conditions.push(sql`${below} = any(path)`);
    if (after !== undefined) {
      conditions.push(
        sql`n > (select n from perdura.requests where tenant = ${tenant} and id = ${after})`,
      );
    }
    return this.#read(sql`where ${sql.join(conditions, sql` and `)} order by n limit ${limit}`);
  }

  async get(tenant: string, id: string): Promise<RequestRecord | undefined> {
    const [found] = await this.#read(sql`where tenant = ${tenant} and id = ${id}`);
    return found;
  }

  async find(tenant: string, prefix: string, limit: number): Promise<RequestRecord[]> {
    return this.#read(sql`where tenant = ${tenant} and id >= ${prefix} and id < ${`${prefix}g`}
      order by id limit ${limit}`);
  }

  async decide(tenant: string, id: string, decision: Decision): Promise<boolean> {
    const { state, by, digest, reason = null, edited, answer = null, remember } = decision;
    return this.#database.db.transaction().execute(async (trx) => {
      const { rows } = await sql<{ session: string; name: string; role: string | null }>`
        update perdura.requests set state = ${state}, decided_by = ${by}, reason = ${reason},
            decided_at = clock_timestamp(), answer = ${answer},
            edited = ${edited?.arguments ?? null}, edited_digest = ${edited?.digest ?? null},
            signal_at = clock_timestamp() + ${AGAIN_S} * interval '1 s'
          where tenant = ${tenant} and id = ${id} and state = 'waiting' and digest = ${digest}
            and (expires_at is null or expires_at > clock_timestamp())
          returning session, name, role`.execute(trx);
      const [row] = rows;
      if (row && remember) {
        const user = sql`(select user_id from perdura.session_contexts
          where tenant = ${tenant} and session = ${row.session})`;
        await sql`
          insert into perdura.approval_grants (tenant, id, scope, session, user_id, tool, digest, role,
              request, granted_by, reason, until)
            values (${tenant}, ${randomUUID()}, ${remember.scope}, ${row.session}, ${user}, ${row.name},
              ${remember.scope === 'call' ? digest : null}, ${row.role}, ${id}, ${by}, ${reason},
              ${remember.until ?? null})`.execute(trx);
      }
      return row !== undefined;
    });
  }

  async expire(tenant: string, id: string): Promise<void> {
    await sql`update perdura.requests set state = 'expired', decided_at = clock_timestamp()
      where tenant = ${tenant} and id = ${id} and state = 'waiting'`.execute(this.#database.db);
  }

  async grantsFor(
    { tenant, session }: SessionKey,
    user: string | undefined,
    calls: readonly GrantQuery[],
  ): Promise<ReadonlyMap<string, { readonly id: string; readonly by: string }>> {
    const { rows } = await sql<{ digest: string; id: string; by: string }>`
      select distinct on (c.digest) c.digest, g.id, g.granted_by as by
        from jsonb_to_recordset(${toJson(calls)}::jsonb) c(tool text, digest text, role text)
        join perdura.approval_grants g on g.tenant = ${tenant} and g.tool = c.tool
          and g.revoked_at is null and (g.until is null or g.until > clock_timestamp())
          and g.role is not distinct from c.role
          and case g.scope when 'user' then g.user_id = ${user ?? null}
            when 'session' then g.session = ${session}
            else g.session = ${session} and g.digest = c.digest end
        order by c.digest, g.created_at`.execute(this.#database.db);
    return new Map(rows.map(({ digest, id, by }) => [digest, { id, by }]));
  }

  async grants(
    tenant: string,
    { all = false, limit }: { all?: boolean; limit: number },
  ): Promise<ApprovalGrant[]> {
    const { rows } = await sql<GrantRow>`
      select id, scope, session, user_id, tool, role, request, granted_by, reason, created_at, until,
          revoked_at, revoked_by
        from perdura.approval_grants where tenant = ${tenant}
          and (${all} or revoked_at is null and (until is null or until > clock_timestamp()))
        order by created_at desc, id limit ${limit}`.execute(this.#database.db);
    return rows.map(toGrant);
  }

  async revoke(tenant: string, id: string, by: string): Promise<boolean> {
    const { numAffectedRows = 0n } = await sql`
      update perdura.approval_grants set revoked_at = clock_timestamp(), revoked_by = ${by}
        where tenant = ${tenant} and id = ${id} and revoked_at is null`.execute(this.#database.db);
    return numAffectedRows > 0n;
  }

  async untold(limit: number): Promise<UntoldDecision[]> {
    const { rows } = await sql<UntoldRow>`
      update perdura.requests r set signal_at = clock_timestamp()
          -- Twice as late each time: a workflow that is gone is not asked for ever.
          + greatest(${AGAIN_S} * interval '1 s', clock_timestamp() - r.decided_at)
        from (select tenant, id from perdura.requests
          where taken_at is null and state <> 'waiting' and signal_at <= clock_timestamp()
          order by signal_at limit ${limit} for update skip locked) due
        where r.tenant = due.tenant and r.id = due.id
        returning r.tenant, r.session, r.workflow_id, r.call_key`.execute(this.#database.db);
    return rows.map(({ tenant, session, workflow_id: workflowId, call_key: callKey }) => ({
      tenant,
      session,
      workflowId,
      callKey,
    }));
  }

  async #read(which: RawBuilder<unknown>): Promise<RequestRecord[]> {
    const { rows } = await sql<RequestRow>`
      select tenant, id, kind, ${stateNow} as state, session, workflow_id, path, call_key, turn, step, agent, name,
          server, arguments, digest, schema, rule, role, requesters, created_at, expires_at,
          decided_at, decided_by, reason, edited, edited_digest, answer, granted,
          taken_at is not null as settled
        from perdura.requests ${which}`.execute(this.#database.db);
    return rows.map(toRequest);
  }
}

/** What was not decided in time has expired, whether its session has noted it or not. */
const stateNow = sql`case when state = 'waiting' and expires_at <= clock_timestamp()
  then 'expired' else state end`;

interface UntoldRow extends SessionKey {
  readonly workflow_id: string;
  readonly call_key: string;
}

interface RequestRow {
  readonly tenant: string;
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly session: string;
  readonly workflow_id: string;
  readonly path: string[];
  readonly call_key: string;
  readonly turn: number;
  readonly step: number;
  readonly agent: string;
  readonly name: string;
  readonly server: string | null;
  readonly arguments: string;
  readonly digest: string;
  readonly schema: JsonSchema | null;
  readonly rule: string | null;
  readonly role: string | null;
  readonly requesters: string[];
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly decided_at: Date | null;
  readonly decided_by: string | null;
  readonly reason: string | null;
  readonly edited: string | null;
  readonly edited_digest: string | null;
  readonly answer: string | null;
  readonly granted: string | null;
  readonly settled: boolean;
}

function toRequest(row: RequestRow): RequestRecord {
  return {
    id: row.id,
    kind: row.kind as RequestKind,
    state: row.state as RequestState,
    tenant: row.tenant,
    session: row.session,
    workflowId: row.workflow_id,
    path: row.path,
    callKey: row.call_key,
    turn: row.turn,
    step: row.step,
    agent: row.agent,
    tool: row.name,
    ...given('server', row.server),
    arguments: row.arguments,
    digest: row.digest,
    ...(row.schema === null ? {} : { schema: row.schema }),
    ...given('rule', row.rule),
    ...given('role', row.role),
    requesters: row.requesters,
    createdAt: row.created_at.toISOString(),
    ...given('expiresAt', row.expires_at?.toISOString()),
    ...given('decidedAt', row.decided_at?.toISOString()),
    ...given('decidedBy', row.decided_by),
    ...given('reason', row.reason),
    ...given('edited', row.edited),
    ...given('editedDigest', row.edited_digest),
    ...given('answer', row.answer),
    ...given('granted', row.granted),
    settled: row.settled,
  };
}

interface GrantRow {
  readonly id: string;
  readonly scope: string;
  readonly session: string;
  readonly user_id: string | null;
  readonly tool: string;
  readonly role: string | null;
  readonly request: string;
  readonly granted_by: string;
  readonly reason: string | null;
  readonly created_at: Date;
  readonly until: Date | null;
  readonly revoked_at: Date | null;
  readonly revoked_by: string | null;
}

function toGrant(row: GrantRow): ApprovalGrant {
  return {
    id: row.id,
    scope: row.scope as RememberScope,
    session: row.session,
    ...given('user', row.user_id),
    tool: row.tool,
    ...given('role', row.role),
    request: row.request,
    grantedBy: row.granted_by,
    ...given('reason', row.reason),
    createdAt: row.created_at.toISOString(),
    ...given('until', row.until?.toISOString()),
    ...given('revokedAt', row.revoked_at?.toISOString()),
    ...given('revokedBy', row.revoked_by),
  };
}

function given<K extends string>(
  key: K,
  value: string | null | undefined,
): { readonly [P in K]?: string } {
  return (value === null || value === undefined ? {} : { [key]: value }) as {
    readonly [P in K]?: string;
  };
}
