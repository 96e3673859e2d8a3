/** A message as its sender gives it, checked, and as the store takes it. */
import { randomUUID } from 'node:crypto';
import { PerduraError } from '../contracts/failures.js';
import {
  MOST_MAIL_BYTES,
  MOST_MAIL_ID_UNITS,
  PRIORITIES,
  rankOf,
  shardOf,
} from '../contracts/mail.js';
import type { Priority } from '../contracts/mail.js';
import { utf8Bytes } from '../contracts/message.js';
import { wellFormed } from '../contracts/text.js';
import type { NewMail } from '../store/mail-store.js';

/** Longest time that a message may wait to be read, ms: ten years. */
const LONGEST_EXPIRY_MS = 315_360_000_000;
const MOST_SENDER_UNITS = 80;

/** A message to agents or people. */
export interface OutgoingMail {
  readonly text: string;
  /** 1 to 100 characters. The same id means the same message, which is sent once. Default: a new one. */
  readonly id?: string | undefined;
  /** Who sends it: a session, or a person by any name of 1 to 80 characters. Default `user`. */
  readonly from?: string | undefined;
  /**
   * A more urgent message is delivered first, and taken first from the queue of a session. Messages of
   * the same sender and priority stay in order. Default `normal`.
   */
  readonly priority?: Priority | undefined;
  /** Id of the message that this one answers: one that its sender has sent or received. */
  readonly replyTo?: string | undefined;
  /** A message that is not read in this time expires, ms. Default: it never does. */
  readonly expiresInMs?: number | undefined;
}

/** Where a message of an agent comes from. */
export interface MailOrigin {
  /** Messages of agents in a row, this one counted. */
  readonly hop: number;
  /** The message of a person that it goes back to. */
  readonly root?: string;
}

/** What the store takes. Throws `Message.Invalid` and `Message.TooLarge`. */
export function newMail(tenant: string, given: OutgoingMail, origin?: MailOrigin): NewMail {
  if (typeof given !== 'object' || given === null) {
    throw invalid('A message is an object with a "text".');
  }
  const { text, priority = 'normal', replyTo, expiresInMs } = given;
  if (typeof text !== 'string' || text.trim() === '') {
    throw invalid(`The "text" of the message is ${kindOf(text)}. Use text that is not empty.`);
  }
  const bytes = utf8Bytes(text);
  if (bytes > MOST_MAIL_BYTES) {
    throw new PerduraError(
      'Message.TooLarge',
      `The message has ${bytes} bytes; it may have ${MOST_MAIL_BYTES}.`,
    );
  }
  if (!PRIORITIES.includes(priority)) {
    throw invalid(`The priority is ${shown(priority)}. Use one of ${PRIORITIES.join(', ')}.`);
  }
  if (
    expiresInMs !== undefined &&
    !(typeof expiresInMs === 'number' && expiresInMs > 0 && expiresInMs <= LONGEST_EXPIRY_MS)
  ) {
    throw invalid(
      `"expiresInMs" is ${shown(expiresInMs)}. Use a number of milliseconds above 0, at most ${LONGEST_EXPIRY_MS}.`,
    );
  }
  const sender = nameOf('from', given.from ?? 'user', MOST_SENDER_UNITS);
  return {
    tenant,
    id: nameOf('id', given.id ?? randomUUID(), MOST_MAIL_ID_UNITS),
    sender,
    byAgent: origin !== undefined,
    text: wellFormed(text),
    rank: rankOf(priority),
    hop: origin?.hop ?? 0,
    ...(origin?.root === undefined ? {} : { root: origin.root }),
    ...(replyTo === undefined ? {} : { parent: nameOf('replyTo', replyTo, MOST_MAIL_ID_UNITS) }),
    ...(expiresInMs === undefined ? {} : { expiresInMs }),
    shard: shardOf(sender),
  };
}

export function nameOf(field: string, value: unknown, most: number): string {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= most) {
    return wellFormed(value);
  }
  throw invalid(`"${field}" is ${shown(value)}. Use text of 1 to ${most} characters.`);
}

/** A number of rows, as a page has them. */
export function limitOf(limit: unknown, fallback: number): number {
  if (limit === undefined) return fallback;
  if (typeof limit === 'number' && Number.isSafeInteger(limit) && limit >= 1 && limit <= 10_000) {
    return limit;
  }
  throw new PerduraError(
    'Request.Invalid',
    `"limit" is ${shown(limit)}. Use a whole number from 1 to 10000.`,
  );
}

export function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 100);
}

function kindOf(value: unknown): string {
  return typeof value === 'string' ? 'empty' : shown(value);
}

function invalid(message: string): PerduraError {
  return new PerduraError('Message.Invalid', message);
}
