/** The one translation of how a turn ended. */
import { describe, expect, it } from 'vitest';
import type { SessionEventBody } from '../../../src/contracts/events.js';
import { NO_USAGE as usage } from '../../../src/contracts/message.js';
import { answerOf, isTurnEnd, turnEndOf } from '../../../src/contracts/turn-end.js';

const completed: SessionEventBody = {
  type: 'turn.completed',
  turn: 2,
  seq: 7,
  text: 'yes',
  finish: 'stop',
  usage,
};

function endOf(body: SessionEventBody) {
  if (!isTurnEnd(body)) throw new Error(`${body.type} ends no turn`);
  return turnEndOf(body);
}

describe('end of a turn', () => {
  it('completed → the answer', () => {
    expect(answerOf(endOf(completed))).toEqual({ turn: 2, text: 'yes', finish: 'stop', usage });
  });

  it.each([
    ['with a reason', { reason: 'Ctrl-C' }, 'Turn 3 was interrupted: Ctrl-C.'],
    ['without a reason', {}, 'Turn 3 was interrupted.'],
  ])('interrupted, %s → Turn.Interrupted', (_, more, message) => {
    const end = endOf({ type: 'turn.interrupted', turn: 3, usage, ...more });
    expect(() => answerOf(end)).toThrow(
      expect.objectContaining({ type: 'Turn.Interrupted', message }) as Error,
    );
  });

  it('failed → the failure of the turn, also of a type that this version does not list', () => {
    const failure = { type: 'Future.Failure', message: 'Not yet.' };
    const end = endOf({ type: 'turn.failed', turn: 1, failure, usage });
    expect(end).toEqual({ outcome: 'failed', turn: 1, failure });
    expect(() => answerOf(end)).toThrow(expect.objectContaining(failure) as Error);
  });

  it('any other event → ends no turn', () => {
    expect(isTurnEnd({ type: 'turn.started' })).toBe(false);
    expect(isTurnEnd({ type: 'session.ended' })).toBe(false);
  });
});
