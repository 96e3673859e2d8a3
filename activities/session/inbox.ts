/** Messages that begin a turn, from the workflow's queue into the transcript. */
import type { WritePlace } from '../../src/contracts/activities.js';
import type { SessionKey } from '../../src/contracts/ids.js';
import type { InboxItem, InboxMessage } from '../../src/contracts/message.js';
import { eventKeys, messageKey, messagePlace } from '../../src/contracts/places.js';
import type { NewEvent, NewMessage } from '../../src/store/append-types.js';
import type { Spills } from '../../src/store/stores.js';

/** The messages of a queue, those included that were moved to the store. */
export async function expandInbox(
  spills: Spills,
  key: SessionKey,
  items: readonly InboxItem[] = [],
): Promise<InboxMessage[]> {
  const parts = await Promise.all(
    items.map(async (item) => {
      if (!('spill' in item)) return [item];
      const { spill, from = 0, count } = item;
      return (await spills.get(key, spill)).slice(from, from + count);
    }),
  );
  return parts.flat();
}

/**
 * Rows and events for messages that take the places behind the head. `step` is the one that they
 * join; absent where they begin a turn.
 */
export function inboxWrites(
  inbox: readonly InboxMessage[],
  place: Pick<WritePlace, 'turn' | 'head'> & { readonly step?: number },
  attempt: number,
): { messages: NewMessage[]; events: NewEvent[] } {
  const { turn, head, step } = place;
  const messages = inbox.map((message, i): NewMessage => ({
    seq: messagePlace(head, i),
    key: messageKey(message.id),
    turn,
    step: step ?? 0,
    attempt,
    messageId: message.id,
    body: { role: 'user', ...message },
  }));
  const events = inbox.map(({ id, text, from }, i): NewEvent => ({
    key: eventKeys.messageAccepted(id),
    seq: messagePlace(head, i),
    messageId: id,
    body: {
      type: 'message.accepted',
      id,
      seq: messagePlace(head, i),
      turn,
      ...(step === undefined ? {} : { step }),
      ...(from === undefined ? {} : { from }),
      text,
    },
  }));
  return { messages, events };
}
