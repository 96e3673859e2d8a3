/**
 * Messages and their receivers: accepted here, delivered by couriers, read by sessions (in the commit
 * of their transcript, see migration 0009) and by people.
 */
import { sql } from 'kysely';
import { PerduraError } from '../contracts/failures.js';
import type { SessionKey } from '../contracts/ids.js';
import type { DeliveryState, MailKind } from '../contracts/mail.js';
import type { Database } from './database.js';
import { toJson } from './json.js';
import {
  countReceivers,
  enterMail,
  MAIL_COLUMNS,
  toDelivery,
  toMail,
  type AcceptedMail,
  type Delivery,
  type DeliveryRow,
  type MailRecord,
  type MailRow,
  type NewMail,
} from './mail-rows.js';
import type { Mail } from './stores.js';

export type { AcceptedMail, Delivery, GroupMail, MailRecord, NewMail } from './mail-rows.js';

/** Receivers that a courier takes at once. */
const PAGE_RECEIVERS = 100;
/** Messages for one receiver that go in one page. */
const PAGE_MESSAGES = 50;

/** Who gets a broadcast: every session that has not ended, but the sender. */
export interface BroadcastFilter {
  /** Only sessions of this agent. */
  readonly agent?: string;
  /** Instead: members of the tenant's groups, people among them. */
  readonly members?: true;
}

/** A message that waits for its delivery, as a courier needs it. */
export interface WaitingMail {
  readonly mailing: string;
  readonly receiver: string;
  readonly kind: MailKind | 'stop' | 'prompt';
  readonly sender: string;
  readonly byAgent: boolean;
  readonly text: string;
  readonly rank: number;
  readonly asks: boolean;
  /** Name and id of the group, and whether it takes answers. */
  readonly group?: { readonly name: string; readonly id: string; readonly answers: boolean };
  readonly expiresAt?: Date;
  /** Of the receiver. */
  readonly agent: string;
  /** As the catalogue has it; absent for a session that was never opened. */
  readonly workflowId?: string;
  readonly ended: boolean;
}

export interface DeliveryOutcome {
  readonly mailing: string;
  readonly receiver: string;
  readonly state: Extract<DeliveryState, 'delivered' | 'failed'>;
  readonly reason?: string;
}

/** A message that a session did not take into a turn. */
export interface RefusedMail {
  readonly mailing: string;
  readonly state: Extract<DeliveryState, 'failed' | 'expired' | 'cancelled'>;
  readonly reason: string;
}

/** Somebody whom messages can be sent to. */
export interface Addressee {
  readonly name: string;
  readonly kind: 'agent' | 'person';
  readonly agent?: string;
  readonly state?: string;
}

export class MailStore implements Mail {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async accept(
    mail: NewMail,
    to: readonly string[],
    running: readonly string[] = [],
  ): Promise<AcceptedMail> {
    return this.#database.db.transaction().execute(async (trx) => {
      const entered = await enterMail(trx, mail, { kind: 'direct' });
      if ('before' in entered) return entered.before;
      const entries = await addressees(trx, mail.tenant, to);
      const unopened = running.filter((name) => !entries.some((each) => each.name === name));
      // The agent is that of the workflow, which is signalled and not started.
      const known = [
        ...entries,
        ...unopened.map((name) => ({ name, kind: 'agent' as const, agent: 'assistant' })),
      ];
      const missing = to.filter((name) => !known.some((each) => each.name === name));
      const ended = entries.filter(({ state }) => state === 'terminated').map(({ name }) => name);
      if (missing.length > 0 || ended.length > 0) throw noReceiver(missing, ended);
      await sql`
        insert into perdura.deliveries
            (tenant, mailing, receiver, n, shard, priority, state, agent, expires_at, delivered_at)
          select m.tenant, m.id, r.name, m.n, ${mail.shard}, m.priority,
              case when r.kind = 'person' then 'delivered' else 'waiting' end, r.agent,
              m.expires_at, case when r.kind = 'person' then clock_timestamp() end
            from perdura.mailings m,
              jsonb_to_recordset(${toJson(known)}::jsonb) r(name text, kind text, agent text)
            where m.tenant = ${mail.tenant} and m.id = ${mail.id}`.execute(trx);
      await countReceivers(trx, mail, known.length);
      const woken = known.some(({ kind }) => kind === 'agent');
      const shards = woken ? [mail.shard] : [];
      return { id: mail.id, receivers: known.length, duplicate: false, shards };
    });
  }

  async acceptBroadcast(mail: NewMail, filter: BroadcastFilter = {}): Promise<AcceptedMail> {
    return this.#database.db.transaction().execute(async (trx) => {
      const entered = await enterMail(trx, mail, { kind: 'broadcast' });
      if ('before' in entered) return entered.before;
      const { tenant, id, sender, shard } = mail;
      const receivers = filter.members
        ? sql`select g.name, max(coalesce(s.agent, g.agent)) as agent
            from perdura.group_members g
            left join perdura.sessions s on s.tenant = g.tenant and s.session = g.name
            where g.tenant = ${tenant} and g.name <> ${sender}
              and s.state is distinct from 'terminated' group by g.name`
        : sql`select s.session as name, s.agent from perdura.sessions s
            where s.tenant = ${tenant} and s.session <> ${sender} and s.state <> 'terminated'`;
      const { numAffectedRows = 0n } = await sql`
        insert into perdura.deliveries
            (tenant, mailing, receiver, n, shard, priority, state, agent, expires_at, delivered_at)
          select m.tenant, m.id, r.name, m.n, ${shard}, m.priority,
              case when r.agent is null then 'delivered' else 'waiting' end, r.agent,
              m.expires_at, case when r.agent is null then clock_timestamp() end
            from perdura.mailings m, (${receivers}) r
            where m.tenant = ${tenant} and m.id = ${id}
              and (${filter.agent ?? null}::text is null or r.agent = ${filter.agent ?? null})`.execute(
        trx,
      );
      await countReceivers(trx, mail, Number(numAffectedRows));
      const shards = numAffectedRows > 0n ? [shard] : [];
      return { id, receivers: Number(numAffectedRows), duplicate: false, shards };
    });
  }

  async get(tenant: string, id: string): Promise<MailRecord | undefined> {
    const { rows } = await sql<MailRow>`select ${MAIL_COLUMNS} from perdura.mailings m
      where tenant = ${tenant} and id = ${id} and kind in ('direct', 'group', 'broadcast')`.execute(
      this.#database.db,
    );
    return rows[0] && toMail(rows[0]);
  }

  /** Whether `name` has sent or may read the message. */
  async concerns(tenant: string, id: string, name: string): Promise<boolean> {
    const { rows } = await sql`select 1 from perdura.mailings m
      where tenant = ${tenant} and id = ${id} and (sender = ${name} or exists (
        select 1 from perdura.deliveries d
          where d.tenant = m.tenant and d.mailing = m.id and d.receiver = ${name}))`.execute(
      this.#database.db,
    );
    return rows.length > 0;
  }

  async unread(
    { tenant, session: receiver }: SessionKey,
    limit: number,
  ): Promise<(MailRecord & Delivery)[]> {
    const { rows } = await sql<MailRow & DeliveryRow>`
      select ${MAIL_COLUMNS}, d.receiver, d.state, d.reason, d.delivered_at, d.read_at
        from perdura.deliveries d
        join perdura.mailings m on m.tenant = d.tenant and m.id = d.mailing
        where d.tenant = ${tenant} and d.receiver = ${receiver}
          and d.state in ('held', 'waiting', 'delivered')
          and m.kind in ('direct', 'group', 'broadcast')
          and (d.expires_at is null or d.expires_at > clock_timestamp())
        order by m.priority desc, d.n limit ${limit}`.execute(this.#database.db);
    return rows.map((row) => ({ ...toMail(row), ...toDelivery(row) }));
  }

  /** `ids` absent: all of them. Answers how many were unread. */
  async markRead(
    { tenant, session: receiver }: SessionKey,
    ids?: readonly string[],
  ): Promise<number> {
    const { numAffectedRows = 0n } = await sql`
      update perdura.deliveries d set state = 'read', read_at = clock_timestamp(),
          delivered_at = coalesce(delivered_at, clock_timestamp())
        from (select mailing from perdura.deliveries
            where tenant = ${tenant} and receiver = ${receiver}
              and state in ('held', 'waiting', 'delivered') and shard < 100
              ${ids === undefined ? sql`` : sql`and mailing = any(${[...ids]}::text[])`}
            order by n for update) mine
        where d.tenant = ${tenant} and d.receiver = ${receiver} and d.mailing = mine.mailing`.execute(
      this.#database.db,
    );
    return Number(numAffectedRows);
  }

  async receipts(
    tenant: string,
    id: string,
    { after = '', limit }: { after?: string | undefined; limit: number },
  ): Promise<Delivery[]> {
    const { rows } = await sql<DeliveryRow>`
      select receiver, ${stateNow} as state, reason, delivered_at, read_at
        from perdura.deliveries where tenant = ${tenant} and mailing = ${id}
          and receiver > ${after} order by receiver limit ${limit}`.execute(this.#database.db);
    return rows.map(toDelivery);
  }

  async summary(
    tenant: string,
    id: string,
  ): Promise<Readonly<Partial<Record<DeliveryState, number>>>> {
    const { rows } = await sql<{ state: string; count: string }>`
      select ${stateNow} as state, count(*) as count from perdura.deliveries
        where tenant = ${tenant} and mailing = ${id} group by 1`.execute(this.#database.db);
    return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]));
  }

  async addressees(
    tenant: string,
    filter: { agent?: string | undefined; group?: string | undefined; limit: number },
  ): Promise<Addressee[]> {
    const { agent = null, group = null, limit } = filter;
    const { rows } = await sql<{ name: string; kind: string; agent: string; state: string }>`
      select name, max(kind) as kind, max(agent) as agent, max(state) as state from (
        select s.session as name, 'agent' as kind, s.agent, s.state from perdura.sessions s
          where s.tenant = ${tenant} and s.state <> 'terminated' and (${group}::text is null
            or exists (select 1 from perdura.group_members g where g.tenant = s.tenant
              and g.name = s.session and g.group_name = ${group}))
        union all
        select g.name, g.kind, g.agent, null from perdura.group_members g
          where g.tenant = ${tenant} and (${group}::text is null or g.group_name = ${group})
            and not exists (select 1 from perdura.sessions s
              where s.tenant = g.tenant and s.session = g.name)) a
        where ${agent}::text is null or agent = ${agent}
        group by name order by name limit ${limit}`.execute(this.#database.db);
    return rows.map(toAddressee);
  }

  /** Of these names, those that messages can be sent to. */
  async find(tenant: string, names: readonly string[]): Promise<Addressee[]> {
    return addressees(this.#database.db, tenant, names);
  }

  /** How far the messages that a turn has taken are from a person; `undefined` where none is ours. */
  async placeOfTurn(
    { tenant, session }: SessionKey,
    turn: number,
  ): Promise<{ hop: number; root: string } | undefined> {
    const { rows } = await sql<{ hop: number; root: string }>`
      select m.hop, m.root from perdura.messages x
        join perdura.mailings m on m.tenant = x.tenant and m.id = substr(x.message_id, 6)
        where x.tenant = ${tenant} and x.transcript = ${session} and x.turn = ${turn}
          and x.message_id like 'mail.%' and x.superseded_at is null
        order by m.hop desc, m.n desc limit 1`.execute(this.#database.db);
    return rows[0];
  }

  /** The next receivers of a courier with all that waits for them, each in order. */
  async nextWaiting(tenant: string, shard: number): Promise<WaitingMail[]> {
    const { db } = this.#database;
    await sql`update perdura.deliveries d set state = 'expired' from (
        select mailing, receiver from perdura.deliveries
          where tenant = ${tenant} and shard = ${shard} and state = 'waiting'
            and expires_at <= clock_timestamp() for update skip locked) late
      where d.tenant = ${tenant} and d.mailing = late.mailing and d.receiver = late.receiver`.execute(
      db,
    );
    const open = sql`d.tenant = ${tenant} and d.shard = ${shard} and d.state = 'waiting'
      and not exists (select 1 from perdura.groups p
        where p.tenant = d.tenant and p.id = d.group_id and p.state = 'paused')`;
    const { rows } = await sql<WaitingRow>`
      with receivers as (select distinct receiver from (
          select receiver from perdura.deliveries d where ${open}
            order by d.priority desc, d.n limit ${PAGE_RECEIVERS}) first)
      select * from (
        select d.mailing, d.receiver, d.n, d.priority, d.asks, d.agent, d.expires_at, d.group_id,
            m.kind, m.sender, m.by_agent, m.text, m.group_name, coalesce(g.answers, false) as answers,
            s.workflow_id, coalesce(s.state = 'terminated', false) as ended,
            row_number() over (partition by d.receiver order by d.priority desc, d.n) as place
          from receivers r
          join perdura.deliveries d on d.receiver = r.receiver
          join perdura.mailings m on m.tenant = d.tenant and m.id = d.mailing
          left join perdura.groups g on g.tenant = d.tenant and g.id = d.group_id
          left join perdura.sessions s on s.tenant = d.tenant and s.session = d.receiver
          where ${open}) each
        where place <= ${PAGE_MESSAGES} order by priority desc, n`.execute(db);
    return rows.map(toWaiting);
  }

  /**
   * Notes what has become of deliveries. Answers those that were cancelled meanwhile: their group was
   * stopped, and the session has to hear of it again.
   */
  async settle(
    tenant: string,
    outcomes: readonly DeliveryOutcome[],
  ): Promise<{ receiver: string; groupId: string }[]> {
    const given = sql`jsonb_to_recordset(${toJson(outcomes)}::jsonb)
      g(mailing text, receiver text, state text, reason text)`;
    // A row that is locked is being read this moment, which is more than delivered.
    await sql`
      update perdura.deliveries d set state = g.state, reason = g.reason,
          delivered_at = case when g.state = 'delivered' then clock_timestamp() end
        from (select d.mailing, d.receiver, g.state, g.reason
          from ${given} join perdura.deliveries d on d.tenant = ${tenant}
            and d.mailing = g.mailing and d.receiver = g.receiver
          where d.state = 'waiting' for update of d skip locked) g
        where d.tenant = ${tenant} and d.mailing = g.mailing and d.receiver = g.receiver`.execute(
      this.#database.db,
    );
    const { rows } = await sql<{ receiver: string; group_id: string }>`
      select distinct d.receiver, d.group_id from ${given} join perdura.deliveries d
        on d.tenant = ${tenant} and d.mailing = g.mailing and d.receiver = g.receiver
        where d.state = 'cancelled' and d.group_id is not null and g.state = 'delivered'`.execute(
      this.#database.db,
    );
    return rows.map(({ receiver, group_id }) => ({ receiver, groupId: group_id }));
  }

  async refused(
    { tenant, session: receiver }: SessionKey,
    refusals: readonly RefusedMail[],
  ): Promise<readonly string[]> {
    const { rows } = await sql<{ group_id: string | null }>`
      update perdura.deliveries d set state = g.state, reason = g.reason
        from jsonb_to_recordset(${toJson(refusals)}::jsonb) g(mailing text, state text, reason text)
        where d.tenant = ${tenant} and d.receiver = ${receiver} and d.mailing = g.mailing
          and d.state in ('waiting', 'delivered')
        returning d.group_id`.execute(this.#database.db);
    return groupsOf(rows);
  }

  async refusedAll(
    { tenant, session: receiver }: SessionKey,
    reason: string,
  ): Promise<readonly string[]> {
    const { rows } = await sql<{ group_id: string | null }>`
      update perdura.deliveries set state = 'failed', reason = ${reason}
        where tenant = ${tenant} and receiver = ${receiver} and state in ('waiting', 'delivered')
        returning group_id`.execute(this.#database.db);
    return groupsOf(rows);
  }
}

function groupsOf(rows: readonly { readonly group_id: string | null }[]): readonly string[] {
  return [...new Set(rows.flatMap(({ group_id }) => (group_id === null ? [] : [group_id])))];
}

/** What has not been read in time has expired, whether somebody has noted it or not. */
const stateNow = sql`case when state in ('held', 'waiting', 'delivered')
  and expires_at <= clock_timestamp() then 'expired' else state end`;

interface WaitingRow {
  readonly mailing: string;
  readonly receiver: string;
  readonly priority: number;
  readonly asks: boolean;
  readonly agent: string | null;
  readonly expires_at: Date | null;
  readonly group_id: string | null;
  readonly kind: string;
  readonly sender: string;
  readonly by_agent: boolean;
  readonly text: string;
  readonly group_name: string | null;
  readonly answers: boolean;
  readonly workflow_id: string | null;
  readonly ended: boolean;
}

function toWaiting(row: WaitingRow): WaitingMail {
  const { group_id: id, group_name: name, answers } = row;
  return {
    mailing: row.mailing,
    receiver: row.receiver,
    kind: row.kind as WaitingMail['kind'],
    sender: row.sender,
    byAgent: row.by_agent,
    text: row.text,
    rank: row.priority,
    asks: row.asks,
    ...(id === null || name === null ? {} : { group: { id, name, answers } }),
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
    agent: row.agent ?? 'assistant',
    ...(row.workflow_id === null ? {} : { workflowId: row.workflow_id }),
    ended: row.ended,
  };
}

function toAddressee(row: {
  name: string;
  kind: string;
  agent: string | null;
  state: string | null;
}): Addressee {
  return {
    name: row.name,
    kind: row.kind as Addressee['kind'],
    ...(row.agent === null ? {} : { agent: row.agent }),
    ...(row.state === null ? {} : { state: row.state }),
  };
}

async function addressees(
  db: Database['db'],
  tenant: string,
  names: readonly string[],
): Promise<Addressee[]> {
  const { rows } = await sql<{ name: string; kind: string; agent: string; state: string }>`
    select r.name, case when s.session is null then g.kind else 'agent' end as kind,
        coalesce(s.agent, g.agent) as agent, s.state
      from (select distinct unnest(${[...names]}::text[]) as name) r
      left join perdura.sessions s on s.tenant = ${tenant} and s.session = r.name
      left join lateral (select kind, agent from perdura.group_members
        where tenant = ${tenant} and name = r.name order by kind limit 1) g on true
      where s.session is not null or g.kind is not null`.execute(db);
  return rows.map(toAddressee);
}

function noReceiver(missing: readonly string[], ended: readonly string[]): PerduraError {
  const all = [
    ...(missing.length > 0
      ? [`There is no session and no member of a group named ${shown(missing)}.`]
      : []),
    ...(ended.length > 0 ? [`The session ${shown(ended)} has ended.`] : []),
  ];
  return new PerduraError('Message.NoReceiver', `${all.join(' ')} The message was not accepted.`);
}

function shown(names: readonly string[]): string {
  const few = names.slice(0, 5).map((name) => JSON.stringify(name));
  return names.length > few.length
    ? `${few.join(', ')} and ${names.length - few.length} more`
    : few.join(', ');
}
