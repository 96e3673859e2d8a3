/** What messages look like in the store, and the statements that direct and group messages share. */
import { sql, type Transaction } from 'kysely';
import { PerduraError } from '../contracts/failures.js';
import { priorityOf, type DeliveryState, type MailKind, type Priority } from '../contracts/mail.js';
import type { Tables } from './tables.js';

export type MailTransaction = Transaction<Tables>;

/** A message that is to be accepted. */
export interface NewMail {
  readonly tenant: string;
  readonly id: string;
  readonly sender: string;
  /** The sender is a session. */
  readonly byAgent: boolean;
  readonly text: string;
  /** See `rankOf`. */
  readonly rank: number;
  readonly parent?: string;
  /** Messages of agents in a row, this one counted; 0 for one of a person. */
  readonly hop: number;
  /** The message of a person that it goes back to. Absent: this one. */
  readonly root?: string;
  /** How long it may wait to be read, ms. Absent: for ever. */
  readonly expiresInMs?: number;
  readonly shard: number;
}

/** What has become of accepting a message. */
export interface AcceptedMail {
  readonly id: string;
  readonly receivers: number;
  /** The same message was accepted before; nothing was added. */
  readonly duplicate: boolean;
  /** Couriers that have something to deliver. */
  readonly shards: readonly number[];
}

/** A message, as it was accepted. */
export interface MailRecord {
  readonly id: string;
  readonly kind: MailKind;
  readonly from: string;
  /** Whether the sender is an agent. */
  readonly byAgent: boolean;
  readonly group?: string;
  readonly text: string;
  readonly priority: Priority;
  /** The message that it answers. */
  readonly replyTo?: string;
  /** The message of a person that it goes back to. */
  readonly root: string;
  readonly hop: number;
  readonly receivers: number;
  /** ISO 8601, of the database's clock; so are the other times. */
  readonly acceptedAt: string;
  readonly expiresAt?: string;
}

/** A message of a group. */
export interface GroupMail extends MailRecord {
  /** Members that it could not be delivered to. Absent for none. */
  readonly failed?: number;
}

/** A message for one receiver, with what has become of it. */
export interface Delivery {
  readonly receiver: string;
  readonly state: DeliveryState;
  readonly reason?: string;
  readonly deliveredAt?: string;
  readonly readAt?: string;
}

export interface MailRow {
  readonly id: string;
  readonly kind: string;
  readonly sender: string;
  readonly by_agent: boolean;
  readonly group_name: string | null;
  readonly text: string;
  readonly priority: number;
  readonly parent: string | null;
  readonly root: string;
  readonly hop: number;
  readonly receivers: number;
  readonly accepted_at: Date;
  readonly expires_at: Date | null;
}

export interface DeliveryRow {
  readonly receiver: string;
  readonly state: string;
  readonly reason: string | null;
  readonly delivered_at: Date | null;
  readonly read_at: Date | null;
}

export const MAIL_COLUMNS = sql.raw(
  ['id', 'kind', 'sender', 'by_agent', 'group_name', 'text', 'priority', 'parent', 'root', 'hop']
    .concat(['receivers', 'accepted_at', 'expires_at'])
    .map((column) => `m.${column}`)
    .join(', '),
);

export function toMail(row: MailRow): MailRecord {
  return {
    id: row.id,
    kind: row.kind as MailKind,
    from: row.sender,
    byAgent: row.by_agent,
    ...(row.group_name === null ? {} : { group: row.group_name }),
    text: row.text,
    priority: priorityOf(row.priority),
    ...(row.parent === null ? {} : { replyTo: row.parent }),
    root: row.root,
    hop: row.hop,
    receivers: row.receivers,
    acceptedAt: row.accepted_at.toISOString(),
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at.toISOString() }),
  };
}

export function toDelivery(row: DeliveryRow): Delivery {
  return {
    receiver: row.receiver,
    state: row.state as DeliveryState,
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.delivered_at === null ? {} : { deliveredAt: row.delivered_at.toISOString() }),
    ...(row.read_at === null ? {} : { readAt: row.read_at.toISOString() }),
  };
}

/**
 * Enters a message. Answers its number, or what was accepted before under its id. Rejects with
 * `Message.Conflict` where that was another message.
 */
export async function enterMail(
  trx: MailTransaction,
  mail: NewMail,
  of: {
    readonly kind: MailKind | 'stop' | 'prompt';
    readonly group?: { readonly name: string; readonly id: string };
  },
): Promise<{ readonly n: string } | { readonly before: AcceptedMail }> {
  const { tenant, id } = mail;
  const { rows } = await sql<{ n: string }>`
    insert into perdura.mailings (tenant, id, kind, sender, by_agent, group_name, group_id, text,
        priority, parent, root, hop, expires_at)
      values (${tenant}, ${id}, ${of.kind}, ${mail.sender}, ${mail.byAgent},
        ${of.group?.name ?? null}, ${of.group?.id ?? null}, ${mail.text}, ${mail.rank},
        ${mail.parent ?? null}, ${mail.root ?? id}, ${mail.hop},
        clock_timestamp() + ${mail.expiresInMs ?? null}::float8 * interval '1 ms')
      on conflict (tenant, id) do nothing returning n`.execute(trx);
  if (rows[0]) return rows[0];
  const { rows: known } = await sql<{ same: boolean; receivers: number }>`
    select kind = ${of.kind} and sender = ${mail.sender} and text = ${mail.text}
        and group_id is not distinct from ${of.group?.id ?? null} as same, receivers
      from perdura.mailings where tenant = ${tenant} and id = ${id}`.execute(trx);
  if (!known[0]?.same) {
    throw new PerduraError(
      'Message.Conflict',
      `A message with the id "${id}" was accepted before, with another text, sender or receiver; this one was not added.`,
    );
  }
  // Who accepted it before may have died before it woke the courier.
  return { before: { id, receivers: known[0].receivers, duplicate: true, shards: [mail.shard] } };
}

/** Notes how many receivers the message has. */
export async function countReceivers(
  trx: MailTransaction,
  { tenant, id }: NewMail,
  receivers: number,
): Promise<void> {
  await sql`update perdura.mailings set receivers = ${receivers}
    where tenant = ${tenant} and id = ${id}`.execute(trx);
}
