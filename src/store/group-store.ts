/** Groups: members, state, history, and what members say. Who speaks next is `group-floor.ts`. */
import { sql } from 'kysely';
import { PerduraError } from '../contracts/failures.js';
import type { SessionKey } from '../contracts/ids.js';
import {
  isNoReply,
  MOST_MEMBERS,
  shardOf,
  STOP_SHARD,
  type GroupRole,
  type GroupState,
  type SpeakMode,
} from '../contracts/mail.js';
import type { Database } from './database.js';
import {
  giveFloor,
  giveFloorTo,
  isWithinBounds,
  post,
  setSpeaker,
  type GroupRow,
} from './group-floor.js';
import { toJson } from './json.js';
import {
  enterMail,
  MAIL_COLUMNS,
  toMail,
  type AcceptedMail,
  type GroupMail,
  type MailRow,
  type MailTransaction,
  type NewMail,
} from './mail-rows.js';
import type { Groups } from './stores.js';

/** A group, as it was created and as it is now. */
export interface GroupRecord {
  readonly name: string;
  readonly title?: string;
  readonly state: GroupState;
  readonly speak: SpeakMode;
  /** Whether what a member answers goes to the others. */
  readonly answers: boolean;
  readonly maxHops: number;
  readonly maxMessages: number;
  readonly moderator?: string;
  /** Who has the floor, where one speaks at a time. */
  readonly speaker?: string;
  /** Whether an agent has something of it to read, or a turn on it. Else it is silent. */
  readonly busy: boolean;
  readonly members: number;
  readonly createdAt: string;
}

export interface GroupMember {
  readonly name: string;
  readonly kind: 'agent' | 'person';
  /** Of a session. */
  readonly agent?: string;
  readonly role: GroupRole;
  readonly joinedAt: string;
}

export interface NewMember {
  readonly name: string;
  /** The agent of a session that is started when it first gets a message. */
  readonly agent?: string;
  /** It is a session, also where the catalogue lacks it: it was started this moment. */
  readonly started?: boolean;
  readonly role: GroupRole;
}

export interface NewGroup extends Pick<
  GroupRecord,
  'name' | 'title' | 'speak' | 'answers' | 'maxHops' | 'maxMessages' | 'moderator'
> {
  readonly tenant: string;
  /** Of this group alone, also when its name is given again. */
  readonly id: string;
}

/** A member's turn on messages of a group has ended. */
export interface EndedTurn {
  readonly key: SessionKey;
  readonly groupId: string;
  readonly turn: number;
  /** What it has answered, where it has. */
  readonly answer?: { readonly id: string; readonly text: string };
}

export class GroupStore implements Groups {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async create(group: NewGroup, members: readonly NewMember[]): Promise<void> {
    const { tenant, name } = group;
    await this.#database.db.transaction().execute(async (trx) => {
      const { numAffectedRows } = await sql`
        insert into perdura.groups
            (tenant, name, id, title, speak, answers, max_hops, max_messages, moderator)
          values (${tenant}, ${name}, ${group.id}, ${group.title ?? null}, ${group.speak},
            ${group.answers}, ${group.maxHops}, ${group.maxMessages}, ${group.moderator ?? null})
          on conflict (tenant, name) do nothing`.execute(trx);
      if (!numAffectedRows) {
        throw new PerduraError(
          'Group.Exists',
          `There is a group "${name}" already. Use another name, or delete that one.`,
        );
      }
      await addMembers(trx, tenant, name, members);
    });
  }

  async get(tenant: string, name: string): Promise<GroupRecord | undefined> {
    return (await this.list(tenant, { name, limit: 1 }))[0];
  }

  async list(
    tenant: string,
    { name = null, after = '', limit }: { name?: string | null; after?: string; limit: number },
  ): Promise<GroupRecord[]> {
    const { rows } = await sql<GroupRow & { members: string; busy: boolean }>`
      select g.*, (select count(*) from perdura.group_members m
          where m.tenant = g.tenant and m.group_name = g.name) as members,
          g.state <> 'stopped' and (g.speaker is not null or exists (
            select 1 from perdura.deliveries d where d.tenant = g.tenant and d.group_id = g.id
              and d.agent is not null and d.done_at is null
              and d.state in ('waiting', 'delivered', 'read'))) as busy
        from perdura.groups g where g.tenant = ${tenant} and g.name > ${after}
          and (${name}::text is null or g.name = ${name})
        order by g.name limit ${limit}`.execute(this.#database.db);
    return rows.map(toGroup);
  }

  async members(
    tenant: string,
    group: string,
    { after = '', limit }: { after?: string; limit: number },
  ): Promise<GroupMember[]> {
    const { rows } = await sql<{
      name: string;
      kind: string;
      agent: string | null;
      role: string;
      joined_at: Date;
    }>`select m.name, m.kind, coalesce(s.agent, m.agent) as agent, m.role, m.joined_at
        from perdura.group_members m
        left join perdura.sessions s on s.tenant = m.tenant and s.session = m.name
        where m.tenant = ${tenant} and m.group_name = ${group} and m.name > ${after}
        order by m.name limit ${limit}`.execute(this.#database.db);
    return rows.map((row) => ({
      name: row.name,
      kind: row.kind as GroupMember['kind'],
      ...(row.agent === null ? {} : { agent: row.agent }),
      role: row.role as GroupRole,
      joinedAt: row.joined_at.toISOString(),
    }));
  }

  async role(tenant: string, group: string, name: string): Promise<GroupRole | undefined> {
    const { rows } = await sql<{ role: GroupRole }>`select role from perdura.group_members
      where tenant = ${tenant} and group_name = ${group} and name = ${name}`.execute(
      this.#database.db,
    );
    return rows[0]?.role;
  }

  async add(tenant: string, name: string, members: readonly NewMember[]): Promise<void> {
    await this.#locked(tenant, name, (trx) => addMembers(trx, tenant, name, members));
  }

  /** What waits for the member is not delivered any more. `false`: it was none. */
  async remove(
    tenant: string,
    name: string,
    member: string,
  ): Promise<{ removed: boolean; shards: readonly number[] }> {
    return this.#locked(tenant, name, async (trx, group) => {
      const { numAffectedRows } = await sql`delete from perdura.group_members
        where tenant = ${tenant} and group_name = ${name} and name = ${member}`.execute(trx);
      if (!numAffectedRows) return { removed: false, shards: [] };
      await cancel(trx, group, member);
      const { speaker } = group;
      if (speaker !== member) return { removed: true, shards: [] };
      return { removed: true, shards: await giveFloor(trx, { ...group, speaker: null }) };
    });
  }

  async post(name: string, mail: NewMail, asMember: boolean): Promise<AcceptedMail> {
    const { tenant, sender, id } = mail;
    return this.#locked(tenant, name, async (trx, group) => {
      const { rows } = await sql<{ role: string }>`select role from perdura.group_members
        where tenant = ${tenant} and group_name = ${name} and name = ${sender}`.execute(trx);
      const role = rows[0]?.role;
      if (role === 'observer' || (asMember && role === undefined)) {
        throw new PerduraError(
          'Group.NotMember',
          role === undefined
            ? `"${sender}" is not a member of the group "${name}".`
            : `"${sender}" is an observer of the group "${name}" and may not write to it.`,
        );
      }
      if (mail.byAgent && !(await isWithinBounds(trx, group, mail))) {
        throw new PerduraError(
          'Message.HopLimit',
          `The group "${name}" takes no more messages of agents until a person writes: it has maxHops ${group.max_hops} and maxMessages ${group.max_messages}.`,
        );
      }
      return { id, ...(await post(trx, group, mail)) };
    });
  }

  /**
   * Hands on what a member has answered, and gives the floor to the next. Once: a repetition finds
   * the answer accepted and the floor with another.
   */
  async endTurn({ key, groupId, turn, answer }: EndedTurn): Promise<readonly number[]> {
    const { tenant, session } = key;
    return this.#database.db.transaction().execute(async (trx) => {
      const { rows } = await sql<GroupRow>`select * from perdura.groups
        where tenant = ${tenant} and id = ${groupId} for update`.execute(trx);
      const [found] = rows;
      if (!found || found.state === 'stopped') return [];
      const heard = await heardIn(trx, key, groupId, turn);
      const prompt = heard.some(({ kind }) => kind === 'prompt');
      await done(trx, key, groupId);
      const group = { ...found, speaker: found.speaker === session ? null : found.speaker };
      if (group.speaker !== found.speaker) await setSpeaker(trx, group, null);
      if (prompt) {
        return group.speaker === null && found.speaker === session
          ? giveFloorTo(trx, group, answer?.text ?? '')
          : [];
      }
      const last = heard.at(-1);
      // Counted from the last person who spoke.
      const hops = heard.flatMap(({ root, hop }) => (root === last?.root ? [hop] : []));
      const hop = Math.max(0, ...hops) + 1;
      const says =
        answer !== undefined &&
        last !== undefined &&
        group.answers &&
        heard.some(({ asks }) => asks) &&
        !isNoReply(answer.text) &&
        (await mayAnswer(trx, group, session)) &&
        // A repetition finds its answer accepted, and must not take it for one too many.
        ((await isAccepted(trx, tenant, answer.id)) ||
          (await isWithinBounds(trx, group, { hop, root: last.root })));
      if (!says) return giveFloor(trx, group);
      const posted = await post(trx, group, {
        tenant,
        id: answer.id,
        sender: session,
        byAgent: true,
        text: answer.text,
        rank: last.priority,
        parent: last.id,
        root: last.root,
        hop,
        shard: shardOf(session),
      });
      // It was said before: whoever said it may have died before the floor went on.
      const next = posted.duplicate ? await giveFloor(trx, group) : [];
      return [...posted.shards, ...next];
    });
  }

  /** A member cannot speak: the floor goes to the next. */
  async passFloor(tenant: string, groupId: string, member: string): Promise<readonly number[]> {
    return this.#database.db.transaction().execute(async (trx) => {
      const { rows } = await sql<GroupRow>`select * from perdura.groups
        where tenant = ${tenant} and id = ${groupId} for update`.execute(trx);
      const [group] = rows;
      if (!group) return [];
      // Who passed it before may have died before it woke the courier.
      if (group.speaker !== member) return [shardOf(groupId)];
      await setSpeaker(trx, group, null);
      return giveFloor(trx, { ...group, speaker: null });
    });
  }

  /** The floors of a session that has ended go on. */
  async sessionEnded({ tenant, session }: SessionKey): Promise<readonly number[]> {
    await done(this.#database.db, { tenant, session });
    const { rows } = await sql<{ id: string }>`select g.id from perdura.group_members m
      join perdura.groups g on g.tenant = m.tenant and g.name = m.group_name
      where m.tenant = ${tenant} and m.name = ${session} and g.speak <> 'free'`.execute(
      this.#database.db,
    );
    const shards: number[] = [];
    for (const { id } of rows) shards.push(...(await this.passFloor(tenant, id, session)));
    return shards;
  }

  /** Answers the couriers that go on with what was accepted while the group was paused. */
  async pause(tenant: string, name: string, paused: boolean): Promise<readonly number[]> {
    return this.#locked(tenant, name, async (trx, group) => {
      const state = paused ? 'paused' : 'open';
      await sql`update perdura.groups set state = ${state}, updated_at = clock_timestamp()
        where tenant = ${tenant} and name = ${name}`.execute(trx);
      if (paused) return [];
      const next = await giveFloor(trx, { ...group, state });
      const { rows } = await sql<{ shard: number }>`select distinct shard from perdura.deliveries
        where tenant = ${tenant} and group_id = ${group.id} and state = 'waiting'`.execute(trx);
      return [...next, ...rows.map(({ shard }) => shard)];
    });
  }

  /**
   * Stops it for good: nothing of it is delivered any more, and what its members are told by the
   * courier of {@link STOP_SHARD} is accepted in the same commit. Stopping it again does nothing.
   */
  async stop(tenant: string, name: string, reason: string): Promise<readonly number[]> {
    return this.#database.db
      .transaction()
      .execute(async (trx) => stop(trx, await lock(trx, tenant, name), reason));
  }

  async delete(tenant: string, name: string): Promise<readonly number[]> {
    return this.#database.db.transaction().execute(async (trx) => {
      const group = await lock(trx, tenant, name);
      const shards = await stop(trx, group, 'The group was deleted.');
      await sql`delete from perdura.deliveries d where d.tenant = ${tenant}
        and d.shard <> ${STOP_SHARD} and d.mailing in (select id from perdura.mailings
          where tenant = ${tenant} and group_id = ${group.id})`.execute(trx);
      await sql`delete from perdura.mailings where tenant = ${tenant} and group_id = ${group.id}
        and kind <> 'stop'`.execute(trx);
      await sql`delete from perdura.groups where tenant = ${tenant} and name = ${name}`.execute(
        trx,
      );
      return shards;
    });
  }

  async history(
    tenant: string,
    name: string,
    { before, limit }: { before?: string | undefined; limit: number },
  ): Promise<GroupMail[]> {
    const { rows } = await sql<MailRow & { readonly failed: number }>`
      select ${MAIL_COLUMNS}, (select count(*)::int from perdura.deliveries d
            where d.tenant = m.tenant and d.mailing = m.id and d.state = 'failed') as failed
        from perdura.mailings m
        join perdura.groups g on g.tenant = m.tenant and g.id = m.group_id
        where m.tenant = ${tenant} and g.name = ${name} and m.kind = 'group'
          and (${before ?? null}::text is null or m.n < (select b.n from perdura.mailings b
            where b.tenant = m.tenant and b.id = ${before ?? null}))
        order by m.n desc limit ${limit}`.execute(this.#database.db);
    return rows
      .reverse()
      .map((row) => ({ ...toMail(row), ...(row.failed > 0 ? { failed: row.failed } : {}) }));
  }

  /** `work` holds the row of the group, which is not stopped. */
  async #locked<T>(
    tenant: string,
    name: string,
    work: (trx: MailTransaction, group: GroupRow) => Promise<T>,
  ): Promise<T> {
    return this.#database.db.transaction().execute(async (trx) => {
      const group = await lock(trx, tenant, name);
      if (group.state === 'stopped') {
        throw new PerduraError('Group.Stopped', `The group "${name}" was stopped.`);
      }
      return work(trx, group);
    });
  }
}

async function lock(trx: MailTransaction, tenant: string, name: string): Promise<GroupRow> {
  const { rows } = await sql<GroupRow>`select * from perdura.groups
    where tenant = ${tenant} and name = ${name} for update`.execute(trx);
  if (rows[0]) return rows[0];
  throw new PerduraError('Group.NotFound', `There is no group "${name}" in tenant ${tenant}.`);
}

async function addMembers(
  trx: MailTransaction,
  tenant: string,
  group: string,
  members: readonly NewMember[],
): Promise<void> {
  await sql`
    insert into perdura.group_members (tenant, group_name, name, kind, agent, role)
      select ${tenant}, ${group}, r.name,
          case when s.session is null and r.agent is null and r.started is not true then 'person'
            else 'agent' end,
          r.agent, r.role
        from jsonb_to_recordset(${toJson(members.map((each, at) => ({ ...each, at })))}::jsonb)
          r(name text, agent text, started boolean, role text, at int)
        left join perdura.sessions s on s.tenant = ${tenant} and s.session = r.name
        order by r.at
      on conflict (tenant, group_name, name) do update set role = excluded.role,
        agent = coalesce(excluded.agent, group_members.agent),
        kind = case when group_members.kind = 'agent' then 'agent' else excluded.kind end`.execute(
    trx,
  );
  const { rows } = await sql<{ count: string }>`select count(*) as count
    from perdura.group_members where tenant = ${tenant} and group_name = ${group}`.execute(trx);
  if (Number(rows[0]!.count) > MOST_MEMBERS) {
    throw new PerduraError(
      'Group.Invalid',
      `The group "${group}" would have ${rows[0]!.count} members; it may have ${MOST_MEMBERS}.`,
    );
  }
}

async function stop(
  trx: MailTransaction,
  group: GroupRow,
  reason: string,
): Promise<readonly number[]> {
  const { tenant, name, id } = group;
  if (group.state === 'stopped') return [STOP_SHARD];
  await sql`update perdura.groups set state = 'stopped', speaker = null,
      updated_at = clock_timestamp() where tenant = ${tenant} and name = ${name}`.execute(trx);
  await cancel(trx, group);
  const mail: NewMail = {
    tenant,
    id: `stop.${id}`,
    sender: name,
    byAgent: false,
    text: reason,
    rank: 3,
    hop: 0,
    shard: STOP_SHARD,
  };
  const entered = await enterMail(trx, mail, { kind: 'stop', group });
  if ('before' in entered) return [STOP_SHARD];
  await sql`
    insert into perdura.deliveries
        (tenant, mailing, receiver, n, shard, priority, state, agent, group_id, asks)
      select ${tenant}, ${mail.id}, m.name, ${entered.n}::bigint, ${STOP_SHARD}, 3, 'waiting',
          coalesce(m.agent, 'assistant'), ${id}, false
        from perdura.group_members m
        where m.tenant = ${tenant} and m.group_name = ${name} and m.kind = 'agent'`.execute(trx);
  return [STOP_SHARD];
}

/**
 * What no agent has read is not read any more. A row that is locked is being read this moment.
 */
async function cancel(
  trx: MailTransaction,
  { tenant, id }: GroupRow,
  member?: string,
): Promise<void> {
  await sql`
    update perdura.deliveries d set state = 'cancelled' from (
        select mailing, receiver from perdura.deliveries
          where tenant = ${tenant} and mailing in (select id from perdura.mailings
              where tenant = ${tenant} and group_id = ${id} and kind <> 'stop')
            and state in ('held', 'waiting', 'delivered') and agent is not null
            and (${member ?? null}::text is null or receiver = ${member ?? null})
          for update skip locked) mine
      where d.tenant = ${tenant} and d.mailing = mine.mailing
        and d.receiver = mine.receiver`.execute(trx);
}

/** What a member has read of a group, or of all, has led to nothing more. */
async function done(
  db: Database['db'],
  { tenant, session }: SessionKey,
  groupId?: string,
): Promise<void> {
  await sql`update perdura.deliveries set done_at = clock_timestamp()
    where tenant = ${tenant} and receiver = ${session} and group_id is not null
      and agent is not null and done_at is null and state = 'read'
      and (${groupId ?? null}::text is null or group_id = ${groupId ?? null})`.execute(db);
}

interface Heard {
  readonly id: string;
  readonly kind: string;
  readonly hop: number;
  readonly root: string;
  readonly priority: number;
  readonly asks: boolean;
}

/** The group's messages that a turn has taken, in their order. */
async function heardIn(
  trx: MailTransaction,
  { tenant, session }: SessionKey,
  groupId: string,
  turn: number,
): Promise<Heard[]> {
  const { rows } = await sql<Heard>`
    select m.id, m.kind, m.hop, m.root, m.priority, d.asks from perdura.messages x
      join perdura.mailings m on m.tenant = x.tenant and m.id = substr(x.message_id, 6)
      join perdura.deliveries d on d.tenant = m.tenant and d.mailing = m.id
        and d.receiver = x.transcript
      where x.tenant = ${tenant} and x.transcript = ${session} and x.turn = ${turn}
        and x.message_id like 'mail.%' and x.superseded_at is null and m.group_id = ${groupId}
      order by m.n`.execute(trx);
  return rows;
}

async function isAccepted(trx: MailTransaction, tenant: string, id: string): Promise<boolean> {
  const { rows } = await sql`select 1 from perdura.mailings
    where tenant = ${tenant} and id = ${id}`.execute(trx);
  return rows.length > 0;
}

async function mayAnswer(
  trx: MailTransaction,
  { tenant, name }: GroupRow,
  session: string,
): Promise<boolean> {
  const { rows } = await sql`select 1 from perdura.group_members where tenant = ${tenant}
    and group_name = ${name} and name = ${session} and role in ('owner', 'member')`.execute(trx);
  return rows.length > 0;
}

function toGroup(
  row: GroupRow & { readonly members: string; readonly busy: boolean },
): GroupRecord {
  return {
    name: row.name,
    ...(row.title === null ? {} : { title: row.title }),
    state: row.state as GroupState,
    speak: row.speak as SpeakMode,
    answers: row.answers,
    maxHops: row.max_hops,
    maxMessages: row.max_messages,
    ...(row.moderator === null ? {} : { moderator: row.moderator }),
    ...(row.speaker === null ? {} : { speaker: row.speaker }),
    busy: row.busy,
    members: Number(row.members),
    createdAt: row.created_at.toISOString(),
  };
}
