/**
 * Where a turn stands: what it needs of the session around it, what the one who ends it early has to
 * know, and how it waits. Its parts share this: the steps (`turn.ts`), the calls (`turn-calls.ts`) and
 * the slot of a pool (`turn-slot.ts`).
 */
import type {
  CallModelResult,
  HandOffResult,
  SessionSettings,
  WritePlace,
} from '../../src/contracts/activities.js';
import type { AgentReference } from '../../src/contracts/agent.js';
import type { DelegationRules } from '../../src/contracts/delegation.js';
import type { InboxItem } from '../../src/contracts/message.js';
import type { WaitingCall } from '../../src/contracts/session.js';
import type { CallSettings, ShortCalls, TurnCalls } from './calls.js';
import type { DelegatedCall } from './children.js';
import type { GivenResult } from './open-calls.js';
import type { SessionState } from './session-state.js';
import { actsLast, condition, until } from './waiting.js';

/** What a turn needs from the session around it. */
export interface TurnSurroundings {
  readonly state: SessionState;
  readonly settings: CallSettings & Pick<SessionSettings, 'limits' | 'sequential'>;
  /** The agent that the next step runs. */
  readonly agent: AgentReference;
  /** The pool of that agent; `undefined` for none. */
  readonly pool: string | undefined;
  /** Writes the result of a call that nothing has to run. */
  readonly calls: Pick<ShortCalls, 'callTool' | 'handOff' | 'leavePool'>;
  readonly activities: TurnCalls;
  /** The run has local activities in its history. */
  readonly legacy: boolean;
  readonly desk: AnswerDesk;
  readonly paused: () => boolean;
  /** Looks at the length of the history, for `historyFull`; see `SessionRun.look`. */
  readonly look: () => void;
  /** Whether the history has grown so far that the turn should go on in another run. */
  readonly historyFull: () => boolean;
  readonly onRepeated: (ids: readonly string[]) => void;
  readonly onStep: (result: CallModelResult) => void;
  /** Another agent goes on from here. */
  readonly onHandoff: (to: NonNullable<HandOffResult['to']>) => void;
  /** The tools of a step have ended. */
  readonly onTools: () => void;
  /** Calls wait for an answer, or no longer do. */
  readonly onWaiting: () => void;
  /** Starts the sub-agents that these calls wait for. */
  readonly delegate: (calls: readonly DelegatedCall[], rules: DelegationRules | undefined) => void;
  /** What a call has for a result that nobody has answered in time; `undefined` for a failure. */
  readonly onLate: (call: WaitingCall) => GivenResult | undefined;
}

/** Where answers to calls that wait come in, by the key of the call. */
export interface AnswerDesk {
  /** Set while a model call is under way, which may open calls. */
  opening: boolean;
  /** Calls whose decisions are being carried out. */
  readonly deciding: Set<string>;
  has(key: string): boolean;
  /** The answer of this call, once. */
  take(key: string): GivenResult | undefined;
}

export class TurnPosition {
  /** Messages that no step has written yet. */
  inbox: InboxItem[] | undefined;
  /** Tool calls whose places are reserved. */
  openCalls: { message: number; first: number } | undefined;
  /** Stage of a model call that has not answered: the activity that ends the turn keeps its writes. */
  cutOff: number | undefined;
  /** What is under way listens on the bus, and can be stopped without Temporal. */
  listening = false;
  /** Stage of a model call under way that may make several steps. */
  series: number | undefined;
  readonly around: TurnSurroundings;

  constructor(around: TurnSurroundings, inbox: InboxItem[] | undefined) {
    this.around = around;
    this.inbox = inbox;
  }

  /** Where the next activity writes. Each gets a stage of its own, which fences all before it. */
  place(): WritePlace {
    const { state } = this.around;
    if (actsLast()) this.around.look();
    state.stage += 1;
    const { turn, stage, head, generation } = state;
    return {
      turn,
      step: state.open?.step ?? 0,
      stage,
      head,
      ...(generation === undefined ? {} : { generation }),
    };
  }

  /** Whether the turn can go on in another run: its messages are written by this one. */
  get full(): boolean {
    return this.inbox === undefined && this.around.historyFull();
  }

  /** As {@link waiting}, while something runs: that is work. */
  async working(ready: () => boolean, due?: number): Promise<void> {
    if (due === undefined) await until(ready);
    else if (!ready()) await condition(ready, Math.max(1, due - Date.now()));
  }

  /** Waits for a person. That is no work, and counts toward no limit of time. */
  async waiting(ready: () => boolean, due?: number): Promise<void> {
    const from = Date.now();
    try {
      // A timer only where there is a deadline: waiting costs nothing otherwise.
      if (due === undefined) await until(ready);
      else if (!ready()) await condition(ready, Math.max(1, due - from));
    } finally {
      const { state } = this.around;
      const waitedMs = (state.open?.waitedMs ?? 0) + Date.now() - from;
      if (state.open && waitedMs > 0) state.open = { ...state.open, waitedMs };
    }
  }

  /** What the Temporal UI shows of the next activity. */
  get summary(): string {
    const { state, agent } = this.around;
    return `turn ${state.turn} · step ${state.open!.step} · ${agent.agent}`;
  }
}
