/**
 * Who speaks next in a group. All of it runs in a transaction that holds the row of the group.
 *
 * Every message of a group is `held` for each member first. Where all may speak (`free`), a message
 * that asks for an answer releases at once what is held. Elsewhere one member has the floor: it is
 * given what is held for it, and when its turn has ended the next one is chosen among those who have
 * not heard something that asks. Nobody is given the floor for nothing, so a group falls silent when
 * all have heard all: there is no count that could be wrong.
 */
import { sql } from 'kysely';
import { NO_REPLY, shardOf, type SpeakMode } from '../contracts/mail.js';
import { countReceivers, enterMail, type MailTransaction, type NewMail } from './mail-rows.js';

/** The row of a group. */
export interface GroupRow {
  readonly tenant: string;
  readonly name: string;
  readonly id: string;
  readonly title: string | null;
  readonly state: string;
  readonly speak: string;
  readonly answers: boolean;
  readonly max_hops: number;
  readonly max_messages: number;
  readonly moderator: string | null;
  readonly speaker: string | null;
  readonly last_position: string;
  readonly created_at: Date;
}

interface Candidate {
  readonly name: string;
  readonly position: string;
}

/** Accepts a message of a group. Answers the couriers that have something to do. */
export async function post(
  trx: MailTransaction,
  group: GroupRow,
  mail: NewMail,
): Promise<{ receivers: number; duplicate: boolean; shards: readonly number[] }> {
  const entered = await enterMail(trx, mail, { kind: 'group', group });
  if ('before' in entered) return { ...entered.before, shards: [mail.shard, shardOf(group.id)] };
  const { tenant, id, sender, shard } = mail;
  const asks = await asksForAnswers(trx, group, mail);
  const { numAffectedRows = 0n } = await sql`
    insert into perdura.deliveries (tenant, mailing, receiver, n, shard, priority, state, agent,
        group_id, asks, called, expires_at, delivered_at)
      select m.tenant, m.id, r.name, m.n, ${shard}, m.priority,
          case when r.kind = 'person' then 'delivered' else 'held' end,
          case when r.kind = 'agent' then coalesce(s.agent, r.agent, 'assistant') end, ${group.id},
          ${asks} and r.kind = 'agent' and r.role in ('owner', 'member'),
          array_position(${mentions(mail.text)}::text[], lower(r.name)), m.expires_at,
          case when r.kind = 'person' then clock_timestamp() end
        from perdura.mailings m
        join perdura.group_members r on r.tenant = m.tenant and r.group_name = m.group_name
        left join perdura.sessions s on s.tenant = r.tenant and s.session = r.name
        where m.tenant = ${tenant} and m.id = ${id} and r.name <> ${sender}
          and s.state is distinct from 'terminated'`.execute(trx);
  const receivers = Number(numAffectedRows);
  await countReceivers(trx, mail, receivers);
  if (modeOf(group) !== 'free') {
    return { receivers, duplicate: false, shards: await giveFloor(trx, group) };
  }
  // What asked for nothing goes along, before the message that asks.
  const released = await sql`
    update perdura.deliveries d set state = 'waiting', shard = ${shard},
        priority = greatest(d.priority, ${mail.rank}), asks = d.mailing = ${id}
      where d.tenant = ${tenant} and d.group_id = ${group.id} and d.state = 'held'
        and exists (select 1 from perdura.deliveries a where a.tenant = d.tenant
          and a.mailing = ${id} and a.receiver = d.receiver and a.asks)`.execute(trx);
  return {
    receivers,
    duplicate: false,
    shards: (released.numAffectedRows ?? 0n) > 0n ? [shard] : [],
  };
}

/** Gives the floor to the next speaker, where it is free. Answers the couriers to wake. */
export async function giveFloor(trx: MailTransaction, group: GroupRow): Promise<readonly number[]> {
  if (group.state !== 'open' || modeOf(group) === 'free') return [];
  if (group.speaker !== null && (await isAlive(trx, group, group.speaker))) return [];
  const candidates = await candidatesOf(trx, group);
  const [next] = candidates;
  if (!next) {
    await setSpeaker(trx, group, null);
    return [];
  }
  if (modeOf(group) !== 'moderator') return release(trx, group, next);
  return askModerator(trx, group, candidates);
}

/** The moderator has answered whom it chooses. */
export async function giveFloorTo(
  trx: MailTransaction,
  group: GroupRow,
  chosen: string,
): Promise<readonly number[]> {
  const candidates = await candidatesOf(trx, group);
  const next = namedIn(
    chosen,
    candidates.map(({ name }) => name),
  );
  const candidate = candidates.find(({ name }) => name === next);
  if (candidate) return release(trx, group, candidate);
  // Nobody: what was said needs no answer. It is heard with the next message that does.
  await sql`update perdura.deliveries set asks = false where tenant = ${group.tenant}
    and group_id = ${group.id} and state = 'held'`.execute(trx);
  return [];
}

/**
 * Members that have not heard something that asks, the next speaker first. Where the newest message
 * asks nobody, a bound is reached, and what was asked before it is over.
 */
async function candidatesOf(trx: MailTransaction, group: GroupRow): Promise<Candidate[]> {
  const mode = modeOf(group);
  const order =
    mode === 'mention'
      ? sql`min(case when d.asks then d.n * 100000 + d.called end)`
      : sql`m.position <= ${group.last_position}::bigint, m.position`;
  const { rows } = await sql<Candidate>`
    select m.name, m.position from perdura.group_members m
      join perdura.deliveries d on d.tenant = m.tenant and d.receiver = m.name
        and d.group_id = ${group.id} and d.state = 'held' and d.agent is not null
        and d.done_at is null and (d.expires_at is null or d.expires_at > clock_timestamp())
      left join perdura.sessions s on s.tenant = m.tenant and s.session = m.name
      where m.tenant = ${group.tenant} and m.group_name = ${group.name} and m.kind = 'agent'
        and m.role in ('owner', 'member') and s.state is distinct from 'terminated'
      group by m.name, m.position
      having (array_agg(d.asks order by d.n desc))[1]
        and (${mode !== 'mention'} or bool_or(d.asks and d.called is not null))
      order by ${order}`.execute(trx);
  return rows;
}

/** Hands a member all that is held for it, as one turn, and the floor with it. */
async function release(
  trx: MailTransaction,
  group: GroupRow,
  { name, position }: Candidate,
): Promise<readonly number[]> {
  const shard = shardOf(group.id);
  await releaseTo(trx, group, name, shard);
  await setSpeaker(trx, group, name, position);
  return [shard];
}

/** Of what is held for a member, the newest asks. All of one courier, so that all comes together. */
async function releaseTo(
  trx: MailTransaction,
  { tenant, id }: GroupRow,
  name: string,
  shard: number,
): Promise<void> {
  await sql`
    with mine as (select mailing, n, priority from perdura.deliveries
      where tenant = ${tenant} and group_id = ${id} and receiver = ${name} and state = 'held')
    update perdura.deliveries d set state = 'waiting', shard = ${shard},
        priority = (select max(priority) from mine), asks = d.n = (select max(n) from mine)
      from mine where d.tenant = ${tenant} and d.receiver = ${name}
        and d.mailing = mine.mailing`.execute(trx);
}

/** Hands the moderator what was said, and the question who speaks next. */
async function askModerator(
  trx: MailTransaction,
  group: GroupRow,
  candidates: readonly Candidate[],
): Promise<readonly number[]> {
  const { tenant, moderator, id: groupId, name } = group;
  if (moderator === null || !(await isAlive(trx, group, moderator))) {
    await setSpeaker(trx, group, null);
    return [];
  }
  const shard = shardOf(groupId);
  const { rows } = await sql<{ count: string }>`select count(*) as count from perdura.mailings
    where tenant = ${tenant} and group_id = ${groupId}`.execute(trx);
  const mail: NewMail = {
    tenant,
    id: `ask.${groupId}.${rows[0]!.count}`,
    sender: name,
    byAgent: false,
    text: `Who speaks next in the group ${name}: ${candidates.map((each) => each.name).join(', ')}? Answer with one of these names alone, or ${NO_REPLY} when nobody should.`,
    rank: 1,
    hop: 0,
    shard,
  };
  const entered = await enterMail(trx, mail, { kind: 'prompt', group });
  if ('before' in entered) return [shard];
  await sql`
    insert into perdura.deliveries
        (tenant, mailing, receiver, n, shard, priority, state, agent, group_id)
      select ${tenant}, ${mail.id}, m.name, ${entered.n}::bigint, ${shard}, ${mail.rank}, 'held',
          coalesce(s.agent, m.agent, 'assistant'), ${groupId}
        from perdura.group_members m
        left join perdura.sessions s on s.tenant = m.tenant and s.session = m.name
        where m.tenant = ${tenant} and m.group_name = ${name} and m.name = ${moderator}`.execute(
    trx,
  );
  await countReceivers(trx, mail, 1);
  await releaseTo(trx, group, moderator, shard);
  await setSpeaker(trx, group, moderator);
  return [shard];
}

export async function setSpeaker(
  trx: MailTransaction,
  { tenant, name }: GroupRow,
  speaker: string | null,
  position?: string,
): Promise<void> {
  await sql`update perdura.groups set speaker = ${speaker}, updated_at = clock_timestamp(),
      last_position = coalesce(${position ?? null}::bigint, last_position)
    where tenant = ${tenant} and name = ${name}`.execute(trx);
}

/** A member whose session has ended does not keep the floor. */
async function isAlive(
  trx: MailTransaction,
  { tenant, name: group }: GroupRow,
  name: string,
): Promise<boolean> {
  const { rows } = await sql`
    select 1 from perdura.group_members m
      left join perdura.sessions s on s.tenant = m.tenant and s.session = m.name
      where m.tenant = ${tenant} and m.group_name = ${group} and m.name = ${name}
        and s.state is distinct from 'terminated'`.execute(trx);
  return rows.length > 0;
}

/** Whether one more message of an agent is within the bounds of the group. */
export async function isWithinBounds(
  trx: MailTransaction,
  group: GroupRow,
  { hop, root }: { readonly hop: number; readonly root?: string },
): Promise<boolean> {
  if (hop > group.max_hops) return false;
  return root === undefined || (await saidByAgents(trx, group, root)) < group.max_messages;
}

/** Whether members are to answer: the last message that the bounds allow asks nobody. */
async function asksForAnswers(
  trx: MailTransaction,
  group: GroupRow,
  { root, hop, id }: NewMail,
): Promise<boolean> {
  if (hop >= group.max_hops) return false;
  return hop === 0 || (await saidByAgents(trx, group, root ?? id)) < group.max_messages;
}

/** Messages of agents that go back to one message. */
async function saidByAgents(
  trx: MailTransaction,
  { tenant, id }: GroupRow,
  root: string,
): Promise<number> {
  const { rows } = await sql<{ count: string }>`select count(*) as count from perdura.mailings
    where tenant = ${tenant} and root = ${root} and group_id = ${id} and by_agent`.execute(trx);
  return Number(rows[0]!.count);
}

function modeOf({ speak }: GroupRow): SpeakMode {
  return speak as SpeakMode;
}

/** Names after an `@`, in lower case, in their order. */
export function mentions(text: string): string[] {
  const found = [...text.matchAll(/(?<![\w@])@([A-Za-z0-9][A-Za-z0-9_-]{0,79})/g)];
  return [...new Set(found.map(([, name]) => name!.toLowerCase()))];
}

/** The name that a text has first, as a word of its own. */
export function namedIn(text: string, names: readonly string[]): string | undefined {
  const words = text.match(/[A-Za-z0-9_-]+/g) ?? [];
  for (const word of words) {
    const name =
      names.find((each) => each === word) ??
      names.find((each) => each.toLowerCase() === word.toLowerCase());
    if (name !== undefined) return name;
  }
  return undefined;
}
