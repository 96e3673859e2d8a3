/** The voices of a worker, and how an interruption reaches one that has not begun yet. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Speakers } from '../../../activities/session/speaker.js';
import { InProcessLiveBus } from '../../../src/live/in-process-bus.js';

const key = { tenant: 'default', session: 's' };
const place = (turn: number) => ({ turn, step: 1, attempt: 1 });

describe('an interruption', () => {
  let bus: InProcessLiveBus;
  let speakers: Speakers;
  beforeEach(async () => {
    vi.useFakeTimers();
    bus = new InProcessLiveBus();
    speakers = new Speakers(bus);
    await speakers.ready();
  });
  afterEach(() => vi.useRealTimers());

  const interrupt = (turn: number) => bus.control(key, { type: 'interrupt', turn });
  /** Whether a call of this turn that begins now is interrupted. */
  const begins = (turn: number): boolean => {
    const speaker = speakers.begin(key, place(turn), () => undefined);
    speakers.end(key, speaker);
    return speaker.interrupted;
  };

  it('interrupt: before the call begins → remembered for ten seconds, for its own turn only', async () => {
    await interrupt(1);
    expect(begins(1)).toBe(true);
    expect(begins(2)).toBe(false);
    vi.advanceTimersByTime(9_999);
    expect(begins(1)).toBe(true);
    vi.advanceTimersByTime(1);
    expect(begins(1)).toBe(false);
  });

  it.each([
    ['another turn', 2],
    ['the same turn', 1],
  ])('interrupt: of %s, later → not forgotten by the timer of the first', async (_, turn) => {
    await interrupt(1);
    vi.advanceTimersByTime(9_000);
    await interrupt(turn);
    vi.advanceTimersByTime(1_000);
    expect(begins(turn)).toBe(true);
    vi.advanceTimersByTime(9_000);
    expect(begins(turn)).toBe(false);
  });
});
