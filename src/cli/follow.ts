/** Follows a session until a turn ends. Pure: it takes items, and reads no stream. */
import type { SessionItem } from '../contracts/events.js';
import { isTurnEnd, turnEndOf, type TurnEnd } from '../contracts/turn-end.js';

/** What a wait for the end of a turn came to; `left` when the reader stopped before. */
export type WaitEnd =
  TurnEnd | { readonly outcome: 'ended'; readonly reason?: string } | { readonly outcome: 'left' };

/** Waits for the end of the turn that takes the message `messageId`, or of any turn without one. */
export class TurnFollower {
  readonly #messageId: string | undefined;
  #turn: number | undefined;

  constructor(messageId?: string) {
    this.#messageId = messageId;
  }

  /** What the wait came to, when it is over with this item. */
  take(item: SessionItem): WaitEnd | undefined {
    if (item.type === 'message.accepted' && item.id === this.#messageId) this.#turn = item.turn;
    if (item.type === 'session.ended') {
      return { outcome: 'ended', ...(item.reason ? { reason: item.reason } : {}) };
    }
    if (!isTurnEnd(item)) return undefined;
    const ours = this.#messageId === undefined || item.turn === this.#turn;
    return ours ? turnEndOf(item) : undefined;
  }
}
