import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { InboxItem, InboxMessage } from '../../../src/contracts/message.js';
import { CARRIED_QUEUE_BYTES, SessionState } from '../../../workflows/session/session-state.js';

const message = (id: string, text = id): InboxMessage => ({ id, text });
const ids = (items: readonly InboxItem[], store: Map<string, InboxMessage[]>): string[] =>
  items.flatMap((item) => {
    if (!('spill' in item)) return [item.id];
    const { spill, from = 0, count } = item;
    return store
      .get(spill)!
      .slice(from, from + count)
      .map(({ id }) => id);
  });

const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

describe('SessionState', () => {
  it('accept: an id that was taken → a duplicate, nothing is added', () => {
    const state = new SessionState();
    expect(state.accept(message('a'))).toEqual({ id: 'a', duplicate: false, ahead: 0 });
    expect(state.accept(message('b'))).toEqual({ id: 'b', duplicate: false, ahead: 1 });
    expect(state.accept(message('a'))).toMatchObject({ duplicate: true });
    expect(state.queued).toBe(2);
  });

  it('takeSteering: messages that steer → they alone, in order; those that wait stay in order', () => {
    const state = new SessionState();
    for (const id of ['a', 's', 'b', 't']) {
      state.accept(message(id), id > 'r' ? 'steer' : undefined);
    }
    expect(state.steering).toBe(true);
    expect(ids(state.takeSteering(), new Map())).toEqual(['s', 't']);
    expect(state.steering).toBe(false);
    expect(state.queued).toBe(2);
    expect(ids(state.take('all'), new Map())).toEqual(['a', 'b']);
  });

  it('takeSteering: none was taken before the turn ended → the next turn takes them like all others', () => {
    const state = new SessionState();
    state.accept(message('a'));
    state.accept(message('s'), 'steer');
    expect(ids(state.take('one'), new Map())).toEqual(['a']);
    expect(state.steering).toBe(false);
    expect(ids(state.take('one'), new Map())).toEqual(['s']);
  });

  it('take: a message that stopped a turn → taken first where not all fit, in order otherwise', () => {
    const filled = () => {
      const state = new SessionState();
      for (const id of ['a', 'b']) state.accept(message(id));
      state.accept(message('i'), 'next');
      state.accept(message('c'));
      return state;
    };
    expect(ids(filled().take('all'), new Map())).toEqual(['a', 'b', 'i', 'c']);
    const one = filled();
    const order = [1, 2, 3, 4].flatMap(() => ids(one.take('one'), new Map()));
    expect(order).toEqual(['i', 'a', 'b', 'c']);
    const long = new SessionState();
    for (let n = 0; n < 150; n++) long.accept(message(`m${n}`));
    long.accept(message('i'), 'next');
    expect(ids(long.take('all'), new Map())).toEqual(['i']);
    expect(long.queued).toBe(150);
  });

  it('carry: modes, over a queue that is moved to the store → the same messages steer, in order', () => {
    const state = new SessionState();
    const store = new Map<string, InboxMessage[]>();
    const steering: string[] = [];
    for (let n = 0; n < 700; n++) {
      const steers = n % 7 < 2;
      if (steers) steering.push(`m${n}`);
      state.accept(message(`m${n}`), steers ? 'steer' : undefined);
    }
    for (const [i, batch] of state.oversized().entries()) {
      store.set(`s${i}`, batch);
      state.spilled(batch, `s${i}`);
    }
    expect(state.oversized()).toEqual([]);
    const next = new SessionState(copy(state.carry()));
    const taken: string[] = [];
    while (next.steering) taken.push(...ids(next.takeSteering(), store));
    expect(taken).toEqual(steering);
    expect(next.queued).toBe(700 - steering.length);
  });

  it('take: `one` → one message a turn, also of a batch that is in the store', () => {
    const state = new SessionState();
    const store = new Map<string, InboxMessage[]>();
    for (let i = 0; i < 600; i++) state.accept(message(`m${i}`));
    for (const [i, batch] of state.oversized().entries()) {
      store.set(`s${i}`, batch);
      state.spilled(batch, `s${i}`);
    }
    const next = new SessionState(state.carry());
    const order: string[] = [];
    while (next.queued > 0) {
      next.begin(0);
      const taken = ids(next.take('one'), store);
      expect(taken).toHaveLength(1);
      order.push(...taken);
      next.finish();
    }
    expect(order).toEqual(Array.from({ length: 600 }, (_, i) => `m${i}`));
  });

  it('turnOf: waits, is taken, is in the store → 0, the turn, unknown', () => {
    const state = new SessionState();
    state.accept(message('a'));
    expect(state.turnOf('a')).toBe(0);
    state.begin(0);
    state.take('all');
    expect(state.turnOf('a')).toBe(1);
    state.repeated(['a']);
    expect(state.turnOf('a')).toBeUndefined();
    expect(state.accept(message('a'))).toMatchObject({ duplicate: true });
  });

  it('undo: a turn that had nothing new → its number is free again, the earlier failure stands', () => {
    const failure = { type: 'Model.BadRequest', message: 'x' };
    const state = new SessionState();
    state.begin(0);
    state.finish(failure);
    state.begin(1);
    state.undo(failure);
    expect(state.turn).toBe(1);
    expect(state.failure).toEqual(failure);
    expect(state.machine.state).toBe('error');
    expect(state.begin(2)).toMatchObject({ step: 0 });
    expect(state.turn).toBe(2);
  });

  it('take: large messages → as many as fit a payload, at least one', () => {
    const state = new SessionState();
    // One byte of UTF-8, six of JSON.
    for (let i = 0; i < 5; i++) state.accept(message(`m${i}`, '\u0001'.repeat(60_000)));
    state.begin(0);
    expect(state.take('all')).toHaveLength(1);
  });

  it('queue: any order of accepting, taking, spilling and carrying over → every message once, in order', () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('accept' as const),
          size: fc.integer({ min: 1, max: 90_000 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('burst' as const),
          count: fc.integer({ min: 1, max: 700 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('again' as const), back: fc.nat(30) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('all' as const, 'one' as const) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('carry' as const),
          late: fc.nat(700),
          failed: fc.nat(2),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let state = new SessionState();
        const store = new Map<string, InboxMessage[]>();
        const accepted: string[] = [];
        const taken: string[] = [];
        const accept = (size: number) => {
          const id = `m${accepted.length}`;
          expect(state.accept(message(id, 'x'.repeat(size))).ahead).toBe(
            accepted.length - taken.length,
          );
          accepted.push(id);
        };
        // As the workflow does it: all batches at once, until what came in meanwhile fits.
        const spill = (from: SessionState, meanwhile: () => void) => {
          for (let batches = from.oversized(); batches.length > 0; batches = from.oversized()) {
            const kept = batches.map((batch) => {
              const id = JSON.stringify(batch);
              store.set(id, copy(batch));
              return id;
            });
            meanwhile();
            for (const [i, batch] of batches.entries()) from.spilled(batch, kept[i]!);
          }
        };
        const turn = (unread: 'all' | 'one') => {
          if (state.queued === 0) return;
          state.begin(0);
          const now = ids(state.take(unread), store);
          expect(now.length).toBeGreaterThan(0);
          expect(now.length).toBeLessThanOrEqual(unread === 'one' ? 1 : 100);
          taken.push(...now);
          state.finish();
        };
        for (const each of steps) {
          if (each.do === 'accept') accept(each.size);
          else if (each.do === 'burst') for (let i = 0; i < each.count; i++) accept(3);
          else if (each.do === 'again') {
            // Within what a run carries to the next: 500 ids.
            const id = accepted.at(-1 - each.back);
            if (id !== undefined) expect(state.accept(message(id)).duplicate).toBe(true);
          } else if (each.do === 'carry') {
            for (let i = 0; i < each.failed; i++) {
              // A task that fails leaves what it wrote, and runs again with more.
              spill(new SessionState(copy(state.carry())), () => undefined);
              accept(3);
            }
            let late = each.late;
            spill(state, () => {
              for (; late > 0; late--) accept(3);
            });
            const carried = copy(state.carry());
            const inline = carried.inbox.filter((item) => 'id' in item);
            expect(inline.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThanOrEqual(
              CARRIED_QUEUE_BYTES,
            );
            expect(inline.length).toBeLessThanOrEqual(500);
            state = new SessionState(carried);
          } else turn(each.do);
        }
        while (state.queued > 0) turn('all');
        expect(taken).toEqual(accepted);
      }),
      { numRuns: 150 },
    );
  });
});
