/** Follows a session until a turn ends. Pure: it is handed the items, and reads none itself. */
import type { StreamItem } from '../contracts/events.js';
import type { FailureInfo } from '../contracts/failures.js';
import type { Answer } from '../contracts/session.js';

/** How a turn ended; `left` when the reader stopped before. */
export type TurnEnd =
  | { readonly outcome: 'completed'; readonly answer: Answer }
  | { readonly outcome: 'interrupted'; readonly turn: number; readonly reason?: string }
  | { readonly outcome: 'failed'; readonly turn: number; readonly failure: FailureInfo }
  | { readonly outcome: 'ended'; readonly reason?: string }
  | { readonly outcome: 'left' };

/** Waits for the end of the turn that takes the message `messageId`, or of any turn without one. */
export class TurnFollower {
  readonly #messageId: string | undefined;
  #turn: number | undefined;

  constructor(messageId?: string) {
    this.#messageId = messageId;
  }

  /** How the turn ended, when it did so with this item. */
  take(item: StreamItem): TurnEnd | undefined {
    if (item.type === 'message.accepted' && item.id === this.#messageId) this.#turn = item.turn;
    const end = endOf(item);
    if (!end) return undefined;
    const ours = end.turn === undefined || this.#messageId === undefined || end.turn === this.#turn;
    return ours ? end.end : undefined;
  }
}

function endOf(item: StreamItem): { turn?: number; end: TurnEnd } | undefined {
  switch (item.type) {
    case 'turn.completed': {
      const { turn, text, finish, usage } = item;
      return { turn, end: { outcome: 'completed', answer: { turn, text, finish, usage } } };
    }
    case 'turn.interrupted': {
      const { turn, reason } = item;
      return { turn, end: { outcome: 'interrupted', turn, ...(reason ? { reason } : {}) } };
    }
    case 'turn.failed':
      return {
        turn: item.turn,
        end: { outcome: 'failed', turn: item.turn, failure: item.failure },
      };
    case 'session.ended':
      return { end: { outcome: 'ended', ...(item.reason ? { reason: item.reason } : {}) } };
    default:
      return undefined;
  }
}
