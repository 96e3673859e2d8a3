import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AgentStateMachine,
  type AgentMove,
  type AgentState,
} from '../../../src/contracts/state.js';

const MOVES: AgentMove[] = ['begin', 'finish', 'fail', 'pause', 'resume', 'terminate'];

describe('AgentStateMachine', () => {
  it.each<[AgentState, AgentMove, AgentState | undefined]>([
    ['idle', 'begin', 'running'],
    ['idle', 'pause', 'paused'],
    ['idle', 'resume', undefined],
    ['idle', 'finish', undefined],
    ['running', 'finish', 'idle'],
    ['running', 'fail', 'error'],
    ['running', 'begin', undefined],
    ['running', 'pause', 'paused'],
    ['paused', 'pause', undefined],
    ['paused', 'begin', undefined],
    ['paused', 'resume', 'idle'],
    ['error', 'begin', 'running'],
    ['error', 'pause', 'paused'],
    ['terminated', 'begin', undefined],
    ['terminated', 'terminate', undefined],
  ])('%s: %s → %s', (from, move, to) => {
    expect(new AgentStateMachine(from).next(move)).toBe(to);
  });

  it('pause: in the middle of a turn → resume goes on with the turn', () => {
    const machine = new AgentStateMachine();
    machine.apply('begin');
    machine.apply('pause');
    expect(machine.midTurn).toBe(true);
    expect(machine.apply('resume')).toBe('running');
  });

  it('pause: the turn ends meanwhile → resume leads to idle', () => {
    const machine = new AgentStateMachine();
    machine.apply('begin');
    machine.apply('pause');
    expect(machine.apply('finish')).toBe('paused');
    expect(machine.apply('resume')).toBe('idle');
  });

  it('apply: an illegal move → a RangeError, the state stays', () => {
    const machine = new AgentStateMachine();
    expect(() => machine.apply('finish')).toThrow(/idle cannot finish/);
    expect(machine.state).toBe('idle');
  });

  it('any legal moves, carried over at any point → the same as without; terminated is final', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...MOVES), fc.boolean())), (moves) => {
        const whole = new AgentStateMachine();
        let carried = new AgentStateMachine();
        for (const [move, carry] of moves) {
          if (carry) carried = new AgentStateMachine(carried.state, carried.midTurn);
          expect(carried.can(move)).toBe(whole.can(move));
          if (!whole.can(move)) continue;
          const before = whole.state;
          expect(carried.apply(move)).toBe(whole.apply(move));
          expect(before).not.toBe('terminated');
          if (whole.state === 'running') expect(whole.midTurn).toBe(true);
          if (['idle', 'error', 'terminated'].includes(whole.state)) {
            expect(whole.midTurn).toBe(false);
          }
        }
      }),
    );
  });
});
