/** Follows a session until a turn ends, handing on everything that happens meanwhile. */
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

/**
 * Takes items up to the end of the turn that took the message `messageId`, or of any turn
 * when that is undefined. The iterator can be used further.
 */
export async function followTurn(
  stream: AsyncIterator<StreamItem>,
  messageId: string | undefined,
  onItem: (item: StreamItem) => void,
): Promise<TurnEnd> {
  let turn: number | undefined;
  for (;;) {
    const next = await stream.next();
    if (next.done === true) return { outcome: 'left' };
    const item = next.value;
    onItem(item);
    if (item.type === 'message.accepted' && item.id === messageId) turn = item.turn;
    const end = endOf(item);
    if (!end) continue;
    if (end.turn === undefined || messageId === undefined || end.turn === turn) return end.end;
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
