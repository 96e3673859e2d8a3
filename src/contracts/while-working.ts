/**
 * What becomes of a message that comes while the agent works on a turn. An agent declares it, a
 * message overrides it. Without a turn under way all of them are the same: the message begins the
 * next turn. Pure.
 */

/**
 * - `enqueue`: the message waits for the next turn.
 * - `steer`: it joins the turn under way at its next step. Where no step follows, it waits for the
 *   next turn.
 * - `interrupt`: the turn stops and keeps what was said; the message begins the next turn.
 * - `rollback`: the turn stops and is forgotten: its messages and what it wrote are no longer in the
 *   transcript that models and readers get. What it cost stays on the bill, and the effects of its
 *   tools stay. The message begins the next turn.
 * - `reject`: the message is refused with `Session.Busy`.
 */
export type WhileWorking = 'enqueue' | 'steer' | 'interrupt' | 'rollback' | 'reject';

/** All of them, for checks at run time. */
export const WHILE_WORKING: readonly WhileWorking[] = [
  'enqueue',
  'steer',
  'interrupt',
  'rollback',
  'reject',
];

export function isWhileWorking(value: unknown): value is WhileWorking {
  return WHILE_WORKING.includes(value as WhileWorking);
}
