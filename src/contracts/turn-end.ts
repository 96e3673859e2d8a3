/**
 * How a turn ended: the one place that reads it from an event and turns it into an answer or a
 * failure, for the SDK, the command line, timelines and the update `ask`. Pure.
 */
import type { SessionEvent, SessionEventBody } from './events.js';
import { PerduraError, type FailureInfo, type FailureType } from './failures.js';
import type { Answer } from './session.js';

/** The events that end a turn. */
export const TURN_END_TYPES = ['turn.completed', 'turn.interrupted', 'turn.failed'] as const;

type TurnEndType = (typeof TURN_END_TYPES)[number];

/** How a turn ended. */
export type TurnEnd =
  | { readonly outcome: 'completed'; readonly turn: number; readonly answer: Answer }
  | {
      readonly outcome: 'interrupted';
      readonly turn: number;
      readonly reason?: string;
      /** The turn was forgotten, its messages with it. */
      readonly rolledBack?: true;
    }
  | { readonly outcome: 'failed'; readonly turn: number; readonly failure: FailureInfo };

/** Whether an item of a stream ends a turn. */
export function isTurnEnd<T extends { readonly type: string }>(
  item: T,
): item is Extract<T, { type: TurnEndType }> {
  return (TURN_END_TYPES as readonly string[]).includes(item.type);
}

/** How the turn of this event ended. */
export function turnEndOf(
  event: Extract<SessionEvent | SessionEventBody, { type: TurnEndType }>,
): TurnEnd {
  const { turn } = event;
  switch (event.type) {
    case 'turn.completed': {
      const { text, finish, usage } = event;
      return { outcome: 'completed', turn, answer: { turn, text, finish, usage } };
    }
    case 'turn.interrupted': {
      const { reason, rolledBack } = event;
      return {
        outcome: 'interrupted',
        turn,
        ...(reason ? { reason } : {}),
        ...(rolledBack ? { rolledBack } : {}),
      };
    }
    case 'turn.failed':
      return { outcome: 'failed', turn, failure: event.failure };
  }
}

/** The failure of a turn without an answer, as a caller who asked receives it. */
export function turnFailure(end: Exclude<TurnEnd, { outcome: 'completed' }>): FailureInfo {
  if (end.outcome === 'failed') return end.failure;
  const why = end.reason ? `: ${end.reason}` : '';
  return end.rolledBack
    ? { type: 'Turn.RolledBack', message: `Turn ${end.turn} was rolled back${why}.` }
    : { type: 'Turn.Interrupted', message: `Turn ${end.turn} was interrupted${why}.` };
}

/** The answer of a turn. Throws the failure of a turn that has none. */
export function answerOf(end: TurnEnd): Answer {
  if (end.outcome === 'completed') return end.answer;
  const { type, message } = turnFailure(end);
  // A newer worker may have written a type that this version does not list; it is kept as it is.
  throw new PerduraError(type as FailureType, message);
}
