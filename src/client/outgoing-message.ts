/** A message as a caller writes it, and as the update `send` takes it. */
import { randomUUID } from 'node:crypto';
import { PerduraError } from '../contracts/failures.js';
import { jsonBytes, MOST_MESSAGE_JSON_BYTES } from '../contracts/message.js';
import type { WhileWorking } from '../contracts/while-working.js';

/** A message to an agent: text, or text with an id and a sender of the caller's making. */
export type OutgoingMessage = string | (Omit<IdentifiedMessage, 'id'> & { readonly id?: string });

/** How a message is sent. */
export interface SendOptions {
  /** What becomes of it while a turn is under way. Default: what the message or its agent says. */
  readonly whileWorking?: WhileWorking;
}

/** A message with its id. */
export interface IdentifiedMessage {
  readonly text: string;
  readonly id: string;
  readonly from?: string;
  /** What becomes of it while a turn is under way. Default: what its agent says. */
  readonly whileWorking?: WhileWorking;
}

/** Throws `Message.TooLarge` for what Temporal would refuse without saying why. */
export function checkSize(what: 'message' | 'answer' | 'reason', text: string): void {
  if (jsonBytes(text) <= MOST_MESSAGE_JSON_BYTES) return;
  throw new PerduraError(
    'Message.TooLarge',
    `The ${what} has ${Buffer.byteLength(text)} bytes. As JSON it may have at most ${MOST_MESSAGE_JSON_BYTES}.`,
  );
}

/** Throws as {@link checkSize}. */
export function withId(
  message: OutgoingMessage,
  { whileWorking }: SendOptions = {},
): IdentifiedMessage {
  const body = typeof message === 'string' ? { text: message } : message;
  checkSize('message', body.text);
  return {
    ...body,
    id: body.id ?? randomUUID(),
    ...(whileWorking === undefined ? {} : { whileWorking }),
  };
}

/**
 * The id of one update, and of its repetitions when Temporal does not answer. Another call with the
 * same message is another update: the session knows the message by its id, and says that it is a
 * duplicate, which Temporal's memory of an update could not.
 */
export function updateIdOf({ id }: IdentifiedMessage): string {
  return `send-${id}-${randomUUID().slice(0, 8)}`;
}
