/**
 * Decides which live deltas a reader sees: each piece of text once, in order, and never what
 * another attempt has superseded or the store has already reported. Pure.
 */
import type { LiveDelta, SessionEvent, StepPlace, Superseded } from '../contracts/events.js';
import { isTurnEnd } from '../contracts/turn-end.js';

interface Speaking extends StepPlace {
  attempt: number;
  /** How much of each channel the reader has, UTF-16 units. */
  readonly have: { text: number; reasoning: number };
}

export class DeltaTracker {
  #speaking: Speaking | undefined;
  /** Steps up to here have been reported by durable events. */
  #done: StepPlace = { turn: 0, step: 0 };

  /** Whether a step is under way whose words may have been missed. */
  get speaking(): boolean {
    return this.#speaking !== undefined;
  }

  /** What to show of a delta, and whether something before it is missing. */
  delta(delta: LiveDelta): { show: (LiveDelta | Superseded)[]; gap: boolean } {
    if (compare(delta, this.#done) <= 0) return NOTHING;
    const now = this.#speaking;
    if (now && (compare(delta, now) < 0 || (same(delta, now) && delta.attempt < now.attempt))) {
      return NOTHING;
    }
    const show: (LiveDelta | Superseded)[] = [...this.#begin(delta)];
    const have = this.#speaking!.have[delta.channel];
    if (delta.offset > have) return { show, gap: true };
    const text = delta.text.slice(have - delta.offset);
    if (text !== '') {
      show.push({ ...delta, offset: have, text });
      this.#speaking!.have[delta.channel] += text.length;
    }
    return { show, gap: false };
  }

  /** Takes note of a durable event; returns what the reader must see before it. */
  event(event: SessionEvent): Superseded[] {
    if (event.type === 'step.started') {
      return compare(event, this.#done) <= 0 ? [] : this.#begin(event);
    }
    if (event.type === 'step.completed') this.#finish(event);
    if (isTurnEnd(event)) this.#finish({ turn: event.turn, step: Number.MAX_SAFE_INTEGER });
    return [];
  }

  #begin({ turn, step, attempt }: StepPlace & { attempt: number }): Superseded[] {
    const now = this.#speaking;
    if (now && same(now, { turn, step })) {
      if (attempt <= now.attempt) return [];
      const heard = now.have.text + now.have.reasoning > 0;
      this.#speaking = { turn, step, attempt, have: { text: 0, reasoning: 0 } };
      return heard ? [{ type: 'superseded', turn, step, attempt: now.attempt, by: attempt }] : [];
    }
    if (now && compare({ turn, step }, now) < 0) return [];
    this.#speaking = { turn, step, attempt, have: { text: 0, reasoning: 0 } };
    return [];
  }

  #finish(place: StepPlace): void {
    if (compare(place, this.#done) > 0) this.#done = { turn: place.turn, step: place.step };
    if (this.#speaking && compare(this.#speaking, this.#done) <= 0) this.#speaking = undefined;
  }
}

const NOTHING = { show: [], gap: false };

function compare(a: StepPlace, b: StepPlace): number {
  return a.turn - b.turn || a.step - b.step;
}

function same(a: StepPlace, b: StepPlace): boolean {
  return compare(a, b) === 0;
}
