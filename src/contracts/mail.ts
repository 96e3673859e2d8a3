/**
 * Messages between agents, and from people to many agents: their wire types, and the rules about
 * them that need no store. Pure: the sandbox imports it.
 */
import { fnv1a64 } from './ids.js';

/** Tools by which agents write to each other. */
export const MESSAGE_TOOLS = ['send_message', 'broadcast', 'list_agents'] as const;
export type MessageTool = (typeof MESSAGE_TOOLS)[number];

/** Workflow type of a courier, which delivers what is in the store. */
export const COURIER_WORKFLOW = 'mailCourier';
/** Signal that a courier is woken by. */
export const COURIER_SIGNAL = 'wake';
/** Signals that a session gets from a courier. */
export const MAIL_SIGNAL = 'mail';
export const STOP_GROUP_SIGNAL = 'stopGroup';

/** Couriers of a tenant that deliver messages. A sender always has the same one: see {@link shardOf}. */
export const SHARDS = 8;
/** The courier that stops groups, which waits for no other. */
export const STOP_SHARD = 100;

/** Longest text of a message, UTF-8 bytes: an agent's own limit may be lower. */
export const MOST_MAIL_BYTES = 256 * 1024;
/** Receivers that a direct message may name. */
export const MOST_RECEIVERS = 1_000;
/** Members of a group. */
export const MOST_MEMBERS = 10_000;

/** The most urgent one first. Of the same priority, the earlier one first. */
export const PRIORITIES = ['urgent', 'high', 'normal', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** As the store and the session compare them: a higher one goes first. */
export function rankOf(priority: Priority): number {
  return PRIORITIES.length - 1 - PRIORITIES.indexOf(priority);
}

export function priorityOf(rank: number): Priority {
  return PRIORITIES[PRIORITIES.length - 1 - rank] ?? 'normal';
}

export type MailKind = 'direct' | 'group' | 'broadcast';

/**
 * What has become of a message for one receiver.
 *
 * - `held`: a member of a group that is not asked to speak gets it with the next message that asks it.
 * - `waiting`: accepted, and not yet with the receiver's session.
 * - `delivered`: the session has it in its queue; for a person, it is in the mailbox.
 * - `read`: taken into a turn, or marked as read.
 * - `expired`, `failed`, `cancelled`: it will not be read. `failed` has a reason; `cancelled` is of a
 *   group that was stopped or left.
 */
export const DELIVERY_STATES = [
  'held',
  'waiting',
  'delivered',
  'read',
  'expired',
  'failed',
  'cancelled',
] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** Who may speak in a group: every member at once, or one at a time. */
export const SPEAK_MODES = ['free', 'round-robin', 'mention', 'moderator'] as const;
export type SpeakMode = (typeof SPEAK_MODES)[number];

/** `observer` reads and does not write. `moderator` is the agent that chooses who speaks. */
export const ROLES = ['owner', 'member', 'observer', 'moderator'] as const;
export type GroupRole = (typeof ROLES)[number];

export type GroupState = 'open' | 'paused' | 'stopped';

/** Default bounds of a group. */
export const GROUP_DEFAULTS = {
  speak: 'free',
  answers: true,
  maxHops: 4,
  maxMessages: 50,
} as const;
export const MOST_HOPS = 1_000;
export const MOST_ROUND_MESSAGES = 100_000;

/** The whole text of an answer that says nothing to the group. */
export const NO_REPLY = 'NO_REPLY';

/** Whether an answer says nothing to the group: {@link NO_REPLY} alone, or no text. */
export function isNoReply(text: string): boolean {
  return /^[\s"'`*_.[(<]*(no[ _-]?reply)?[\s"'`*_.\])>]*$/i.test(text);
}

/** The id that a message has in the transcript of its receivers. */
export function mailMessageId(mail: string): string {
  return `mail.${mail}`;
}

/** The message behind an id of a transcript, or `undefined` where it is none of ours. */
export function mailOf(messageId: string): string | undefined {
  return messageId.startsWith('mail.') ? messageId.slice(5) : undefined;
}

/** Longest id that a sender may give; a prefix has to fit before it. */
export const MOST_MAIL_ID_UNITS = 100;

/** The courier that delivers what this sender writes: its messages stay in order. */
export function shardOf(sender: string): number {
  return Number(BigInt(`0x${fnv1a64(sender)}`) % BigInt(SHARDS));
}

/** Never the id of a session, whose ids begin with `perdura.`. */
export function courierIdOf({ tenant, shard }: CourierInput): string {
  return `perdura-mail.${tenant}.${shard === STOP_SHARD ? 'stop' : shard}`;
}

/** Input of a courier. */
export interface CourierInput {
  readonly tenant: string;
  readonly shard: number;
}

/** One message on its way into a session, in the signal {@link MAIL_SIGNAL}. */
export interface MailItem {
  readonly id: string;
  readonly text: string;
  readonly from: string;
  /** Id of the group (not its name, which may be given again). */
  readonly group?: string;
  /** Asks for no answer: it is read together with the next message. */
  readonly quiet?: true;
  /** When it expires, ms since the epoch. */
  readonly until?: number;
  /** Rank of its priority. Absent: that of `normal`. */
  readonly rank?: number;
}

/** What {@link MAIL_SIGNAL} takes: the messages are accepted together, in their order. */
export interface MailBatch {
  readonly messages: readonly MailItem[];
}

/** The fields of a {@link MailItem}; what is wrong is left out, and the message is checked as any is. */
export function readMailItem(given: unknown): Omit<MailItem, 'id' | 'text' | 'from'> {
  const { group, quiet, until, rank } = (given ?? {}) as Record<string, unknown>;
  return {
    ...(typeof group === 'string' && group !== '' && group.length <= 128 ? { group } : {}),
    ...(quiet === true ? { quiet } : {}),
    ...(typeof until === 'number' && Number.isFinite(until) ? { until } : {}),
    ...(typeof rank === 'number' &&
    Number.isSafeInteger(rank) &&
    rank >= 0 &&
    rank < PRIORITIES.length
      ? { rank }
      : {}),
  };
}

/** The messages of a {@link MailBatch}; none for anything else. */
export function readMailBatch(given: unknown): readonly unknown[] {
  const messages: unknown =
    typeof given === 'object' ? (given as { messages?: unknown } | null)?.messages : undefined;
  return Array.isArray(messages) ? messages : [];
}

export interface DeliverMailInput {
  readonly tenant: string;
  readonly shard: number;
}

export interface DeliverMailResult {
  readonly delivered: number;
  readonly failed: number;
}

/** The activities of messages. */
export interface MailActivities {
  /** Delivers what waits in the store, until nothing does. */
  deliverMail(input: DeliverMailInput): Promise<DeliverMailResult>;
}
