import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeltaTracker } from '../../../src/client/delta-tracker.js';
import type { LiveDelta, SessionEvent } from '../../../src/contracts/events.js';
import { NO_USAGE } from '../../../src/contracts/message.js';

const delta = (step: number, attempt: number, offset: number, text: string): LiveDelta => ({
  type: 'delta',
  turn: 1,
  step,
  attempt,
  channel: 'text',
  offset,
  text,
});
const started = (step: number, attempt: number) =>
  ({ n: 0, at: '', type: 'step.started', turn: 1, step, attempt, model: 'm' }) as SessionEvent;
const completed = (step: number, attempt: number, text: string) =>
  ({
    n: 0,
    at: '',
    type: 'step.completed',
    turn: 1,
    step,
    attempt,
    seq: 1,
    text,
    finish: 'stop',
    usage: NO_USAGE,
    model: 'm',
  }) as SessionEvent;

describe('DeltaTracker', () => {
  it('delta: pieces in order → each shown once', () => {
    const tracker = new DeltaTracker();
    expect(tracker.delta(delta(1, 1, 0, 'ab')).show).toMatchObject([{ text: 'ab' }]);
    expect(tracker.delta(delta(1, 1, 0, 'ab'))).toEqual({ show: [], gap: false });
    expect(tracker.delta(delta(1, 1, 1, 'bcd')).show).toMatchObject([{ text: 'cd', offset: 2 }]);
  });

  it('delta: one is missing → nothing is shown, the gap is told; said again → the rest is shown', () => {
    const tracker = new DeltaTracker();
    tracker.delta(delta(1, 1, 0, 'ab'));
    expect(tracker.delta(delta(1, 1, 4, 'ef'))).toEqual({ show: [], gap: true });
    expect(tracker.delta(delta(1, 1, 0, 'abcdef')).show).toMatchObject([
      { text: 'cdef', offset: 2 },
    ]);
  });

  it('attempt: a later one speaks → the earlier is superseded, and never heard again', () => {
    const tracker = new DeltaTracker();
    tracker.delta(delta(1, 1, 0, 'ab'));
    expect(tracker.delta(delta(1, 2, 0, 'x')).show).toMatchObject([
      { type: 'superseded', attempt: 1, by: 2 },
      { text: 'x' },
    ]);
    expect(tracker.delta(delta(1, 1, 2, 'cd'))).toEqual({ show: [], gap: false });
    expect(tracker.event(started(1, 3))).toMatchObject([{ attempt: 2, by: 3 }]);
  });

  it('attempt: nothing was heard of it → nothing is superseded', () => {
    const tracker = new DeltaTracker();
    tracker.event(started(1, 1));
    expect(tracker.event(started(1, 2))).toEqual([]);
  });

  it('step: completed → its late deltas are not shown', () => {
    const tracker = new DeltaTracker();
    tracker.delta(delta(1, 1, 0, 'ab'));
    tracker.event(completed(1, 1, 'abcd'));
    expect(tracker.speaking).toBe(false);
    expect(tracker.delta(delta(1, 1, 2, 'cd'))).toEqual({ show: [], gap: false });
    expect(tracker.delta(delta(1, 2, 0, 'x'))).toEqual({ show: [], gap: false });
    expect(tracker.delta(delta(2, 1, 0, 'y')).show).toMatchObject([{ text: 'y' }]);
  });

  it('any loss, doubling and disorder → what is heard is always a beginning of what one attempt said', () => {
    const attempts = fc.array(
      fc.array(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 6 }),
      {
        minLength: 1,
        maxLength: 3,
      },
    );
    fc.assert(
      fc.property(
        fc.array(attempts, { minLength: 1, maxLength: 3 }),
        fc.infiniteStream(fc.nat(999)),
        (steps, dice) => {
          const roll = (sides: number) => (dice.next().value as number) % sides;
          const texts = steps.map((each) => each.map((pieces) => pieces.join('')));
          // Everything that is said, with repetitions from the beginning, as the bus carries it.
          const sent: (LiveDelta | SessionEvent)[] = [];
          for (const [s, each] of steps.entries()) {
            for (const [a, pieces] of each.entries()) {
              sent.push(started(s + 1, a + 1));
              let said = '';
              for (const piece of pieces) {
                sent.push(delta(s + 1, a + 1, said.length, piece));
                said += piece;
                if (roll(3) === 0) sent.push(delta(s + 1, a + 1, 0, said));
              }
            }
            sent.push(completed(s + 1, each.length, texts[s]!.at(-1)!));
          }
          // Deltas are lost, doubled, late; events come from the store, complete and in order.
          const arrived: (LiveDelta | SessionEvent)[] = [];
          const held: LiveDelta[] = [];
          for (const item of sent) {
            if (item.type !== 'delta') arrived.push(item);
            else {
              const fate = roll(6);
              if (fate === 0) continue;
              if (fate === 1) held.push(item);
              else arrived.push(item, ...(fate === 2 ? [item] : []));
            }
            if (held.length > 0 && roll(3) === 0)
              arrived.push(held.splice(roll(held.length), 1)[0]!);
          }
          arrived.push(...held);

          const tracker = new DeltaTracker();
          const heard = new Map<number, { attempt: number; text: string }>();
          const over = new Set<number>();
          for (const item of arrived) {
            const show = item.type === 'delta' ? tracker.delta(item).show : tracker.event(item);
            for (const shown of show) {
              expect(over.has(shown.step)).toBe(false);
              const before = heard.get(shown.step);
              if (shown.type === 'superseded') {
                expect(before?.attempt).toBe(shown.attempt);
                heard.delete(shown.step);
              } else if (shown.type === 'delta') {
                expect(shown.offset).toBe(before?.text.length ?? 0);
                if (before) expect(shown.attempt).toBe(before.attempt);
                const text = (before?.text ?? '') + shown.text;
                heard.set(shown.step, { attempt: shown.attempt, text });
                expect(texts[shown.step - 1]![shown.attempt - 1]!.startsWith(text)).toBe(true);
              }
            }
            if (item.type === 'step.completed') over.add(item.step);
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
