/**
 * The five states of an agent and which moves between them are legal. Pure: the workflow
 * drives it, the API and the tests read it.
 */

/** What an agent is doing. `terminated` is final. */
export type AgentState = 'idle' | 'running' | 'paused' | 'error' | 'terminated';

/** All states, for checks at run time. */
export const AGENT_STATES: readonly AgentState[] = [
  'idle',
  'running',
  'paused',
  'error',
  'terminated',
];

/** What happened to an agent. */
export type AgentMove =
  | 'begin' // a turn starts
  | 'finish' // a turn ended well, or was interrupted
  | 'fail' // a turn ended with an error
  | 'pause'
  | 'resume'
  | 'terminate';

/**
 * From a state, by a move, to a state; what is not listed is illegal.
 * A paused agent may be in the middle of a turn: `resume` decides where it continues.
 */
const MOVES: Readonly<Record<AgentState, Readonly<Partial<Record<AgentMove, AgentState>>>>> = {
  idle: { begin: 'running', pause: 'paused', terminate: 'terminated' },
  running: { finish: 'idle', fail: 'error', pause: 'paused', terminate: 'terminated' },
  paused: { resume: 'idle', finish: 'paused', fail: 'paused', terminate: 'terminated' },
  error: { begin: 'running', pause: 'paused', terminate: 'terminated' },
  terminated: {},
};

/** The state machine of one agent. */
export class AgentStateMachine {
  #state: AgentState;
  /** A turn that a pause caught in the middle, so that `resume` goes back to `running`. */
  #midTurn: boolean;

  constructor(state: AgentState = 'idle', midTurn = state === 'running') {
    this.#state = state;
    this.#midTurn = midTurn;
  }

  get state(): AgentState {
    return this.#state;
  }

  /** Whether a turn is under way, also while paused. */
  get midTurn(): boolean {
    return this.#midTurn;
  }

  /** Where `move` would lead, or `undefined` when it is illegal now. */
  next(move: AgentMove): AgentState | undefined {
    const to = MOVES[this.#state][move];
    return to === 'idle' && move === 'resume' && this.#midTurn ? 'running' : to;
  }

  can(move: AgentMove): boolean {
    return this.next(move) !== undefined;
  }

  /** Makes the move. Throws a `RangeError` when it is illegal: a bug of the caller, not of a user. */
  apply(move: AgentMove): AgentState {
    const to = this.next(move);
    if (to === undefined) {
      throw new RangeError(`An agent that is ${this.#state} cannot ${move}.`);
    }
    if (move === 'begin') this.#midTurn = true;
    if (move === 'finish' || move === 'fail' || move === 'terminate') this.#midTurn = false;
    return (this.#state = to);
  }
}

/** Whether the session was paused or ended, so that it must not take another step. */
export function standsStill(state: AgentState): boolean {
  return state === 'paused' || state === 'terminated';
}
