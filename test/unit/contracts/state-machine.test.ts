import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AgentStateMachine, type AgentMove, type AgentState } from '../../../src/contracts/state.js';

const MOVES: readonly AgentMove[] = ['begin', 'finish', 'fail', 'pause', 'resume', 'terminate'];

/** The legal moves, as a person would write them down. */
const LEGAL: Readonly<Record<AgentState, readonly AgentMove[]>> = {
  idle: ['begin', 'pause', 'terminate'],
  running: ['finish', 'fail', 'pause', 'terminate'],
  paused: ['finish', 'fail', 'resume', 'terminate'],
  error: ['begin', 'pause', 'terminate'],
  terminated: [],
};

describe('agent state machine', () => {
  it.each(Object.entries(LEGAL))('states: %s → exactly these moves are legal: %j', (state, legal) => {
    const machine = new AgentStateMachine(state as AgentState);
    expect(MOVES.filter((move) => machine.can(move))).toEqual(
      MOVES.filter((move) => legal.includes(move)),
    );
  });

  it('states: an illegal move → RangeError, the state stays', () => {
    const machine = new AgentStateMachine('idle');
    expect(() => machine.apply('finish')).toThrow(RangeError);
    expect(machine.state).toBe('idle');
  });

  it('states: paused in the middle of a turn → resume goes back to it; between turns → to idle', () => {
    const machine = new AgentStateMachine();
    machine.apply('begin');
    machine.apply('pause');
    expect(machine.apply('resume')).toBe('running');
    machine.apply('pause');
    machine.apply('finish');
    expect(machine.state).toBe('paused');
    expect(machine.apply('resume')).toBe('idle');
  });

  it('states: any moves → carried through continue-as-new it goes on as if nothing had been', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...MOVES)), fc.nat(), (moves, cut) => {
        const whole = new AgentStateMachine();
        let carried = new AgentStateMachine();
        for (const [index, move] of moves.entries()) {
          if (index === cut % moves.length) {
            carried = new AgentStateMachine(carried.state, carried.midTurn);
          }
          expect(carried.can(move)).toBe(whole.can(move));
          if (whole.can(move)) expect(carried.apply(move)).toBe(whole.apply(move));
          if (whole.state === 'terminated') expect(MOVES.some((each) => whole.can(each))).toBe(false);
        }
      }),
    );
  });
});
