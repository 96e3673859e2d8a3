/**
 * Interfaces of the activities, as the session workflow calls them. The implementations are
 * in `activities`; the workflow must not import those, not even their types.
 *
 * Each input says whose work it is (`run`), and nothing else that can be derived: inputs and
 * results are all that grows Temporal's history.
 */
import type { AgentLimits, AgentReference } from './agent.js';
import type { DelegationRules, PlannedTask, PlannedWait } from './delegation.js';
import type { FailureInfo } from './failures.js';
import type { FinishReason, InboxItem, InboxMessage, Usage } from './message.js';
import type { QueuedFor } from './pool.js';
import type { RunReference } from './run-reference.js';
import type { GivenContext } from './runtime-context.js';
import type { AgentState } from './state.js';
import type { Answer, OnParentEnd } from './session.js';
import type { AnsweredBy, ToolEffect, ToolRun } from './tool-kinds.js';
import type { WhileWorking } from './while-working.js';

/** Whose work an activity does. */
export interface OfRun {
  /**
   * Absent in histories of earlier versions: the session is then the one behind the workflow id.
   */
  readonly run?: RunReference;
}

/** Where an activity's writes belong. Higher stages fence lower ones. */
export interface WritePlace {
  readonly turn: number;
  readonly step: number;
  /** Position in the life of the session; see `CarriedState.stage`. */
  readonly stage: number;
  /** The last accepted sequence number: what the activity may read, and what it writes behind. */
  readonly head: number;
  /**
   * A rollback has made this generation of the transcript: what a worker has cached of an earlier one
   * must not be shown to a model. Absent before any rollback.
   */
  readonly generation?: number;
}

/**
 * Enters a session. A `version` is that of an earlier run, or the one that was asked for; without
 * one a new session gets the newest, and a session that the store knows goes on with its own.
 */
export interface OpenSessionInput extends OfRun, AgentReference {
  readonly title?: string;
  /** What becomes of the session when its parent ends. */
  readonly onParentEnd?: OnParentEnd;
  /** Most sessions below the root of its tree. Absent: any. */
  readonly maxDescendants?: number;
  /** The run knows nothing of an earlier one: what the store has of the session goes on. */
  readonly fresh?: true;
  readonly head: number;
  readonly stage: number;
  readonly turn: number;
  /**
   * Batches of the queue that this run still has to take; the session's others are deleted. Absent in
   * runs of earlier versions, which delete none.
   */
  readonly spills?: readonly string[];
  /** Of a session that begins. */
  readonly context?: GivenContext;
  /** A session that begins has the context of its parent; see `ChildInput.context`. */
  readonly inherits?: true;
}

/** What the workflow must know of the agent; recorded in history, so fixed until it changes. */
export interface AgentTraits {
  readonly limits: AgentLimits;
  /** The tools of a step run one after the other. */
  readonly sequential?: true;
  readonly unread: 'all' | 'one';
  /** Absent: `enqueue`. */
  readonly whileWorking?: WhileWorking;
  /** Name of the pool whose slot its turns take. Absent: none. */
  readonly pool?: string;
}

/** As {@link AgentTraits}, with the agent that they are of. */
export interface SessionSettings extends AgentTraits {
  /** Absent in histories of earlier versions: the one of the input, as it is configured. */
  readonly agent?: string;
  readonly version?: string;
  /** Longest model call, ms. */
  readonly modelTimeoutMs: number;
  /** A worker that says nothing for so long is dead, ms. */
  readonly heartbeatTimeoutMs: number;
  /** Whether the server has confirmed the search attributes of {@link SEARCH_ATTRIBUTES}. */
  readonly searchAttributes: boolean;
  /**
   * Set when a workflow without a past was started for a session that has one (it had ended,
   * or its Temporal cluster is another): where its transcript ends.
   */
  readonly resume?: { readonly head: number; readonly turn: number };
  /** The store has a context of the session, whatever this run was started with. */
  readonly context?: true;
  /** Events of one run after which it continues as new at the next boundary of a turn. */
  readonly historyLimit: number;
}

/** Search attributes of a session, all of type Keyword; used only where the server has them. */
export const SEARCH_ATTRIBUTES = {
  tenant: 'PerduraTenant',
  agent: 'PerduraAgent',
} as const;

/**
 * An activity that makes several steps begins none after so many ms: the history shows an
 * activity when it has ended, and someone may be watching.
 */
export const STRETCH_MS = 60_000;

/**
 * What is left of a turn's limits when a model call is scheduled. Each attempt looks at it before
 * it begins; absent in histories of earlier versions, whose attempts look at nothing.
 */
export interface TurnRemainder {
  readonly ms: number;
  /** Millionths of a USD; absent without a limit. */
  readonly costMicros?: number;
}

export interface CallModelInput extends WritePlace, OfRun, AgentReference {
  readonly left?: TurnRemainder;
  /** Messages that begin the turn, or join it; they take `head + 1` and the following places. */
  readonly inbox?: readonly InboxItem[];
  /** The messages steer a turn that has begun: it goes on even if all of them are known. */
  readonly joins?: true;
  /** The slot of a pool is given back with the answer, whatever it is. */
  readonly leaves?: true;
  /** No tool may be called any more: the model must answer. */
  readonly final?: true;
  /** What the earlier steps of the turn have used. */
  readonly spent?: Usage;
  /** How far the activity may go on after local tools. Absent: one step. */
  readonly onward?: {
    /** Steps that it may make, the first included. */
    readonly steps: number;
    /** No other step is begun after so many ms. */
    readonly ms: number;
    /** No other step is begun when the steps of this activity have cost so much, millionths of a USD. */
    readonly costMicros?: number;
  };
}

/** A tool call as planned by the activity that knows the tool. */
export interface PlannedCall {
  readonly id: string;
  readonly name: string;
  readonly run: ToolRun;
  readonly effect: ToolEffect;
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly retryMs: number;
  /** Unknown, malformed, or against the schema: running it only tells the model so. */
  readonly invalid?: true;
  /** The arguments while they are at most 512 characters, for whoever reads the history. */
  readonly args?: string;
  /** Hands the conversation over to this agent, after all other calls of the answer. */
  readonly handoff?: string;
  /** Run already, within the step; at most 200 characters of the result. */
  readonly done?: string;
  /** Of a call that gives a task to a sub-agent (`run: 'agent'`). */
  readonly task?: PlannedTask;
  /** Of a call that waits for detached sub-agents (`run: 'agent'`). */
  readonly wait?: PlannedWait;
  /** Id of the request by which a person approves the call, or answers it. Absent: nobody is asked. */
  readonly request?: string;
  /** When that expires, ms since the epoch. */
  readonly until?: number;
}

export interface CallModelResult {
  /**
   * `compact`: the context does not fit; compact, then call again.
   * `duplicate`: every message of the inbox was in the transcript already; no model was called.
   * `queued`: there is no slot in the pool; no model was called, call again when told of one.
   */
  readonly outcome: FinishReason | 'compact' | 'duplicate' | 'queued';
  /** Of `queued`. */
  readonly queued?: QueuedFor;
  /** Last sequence number after this step. */
  readonly head: number;
  /** Sequence number of the assistant message. */
  readonly seq: number;
  /** At most 1 KB of the text, for whoever reads the history. */
  readonly preview?: string;
  /** Set when `preview` is the whole text. */
  readonly whole?: true;
  readonly calls?: readonly PlannedCall[];
  /** Of the agent that answered, where it gives tasks to sub-agents. */
  readonly rules?: DelegationRules;
  /** Messages of the inbox that the transcript had already, by id. */
  readonly duplicates?: readonly string[];
  /** What the step has cost: its answer, and the attempts at it that failed or were lost. */
  readonly usage: Usage;
  /** The steps that came before this one within the same activity, oldest first. */
  readonly earlier?: readonly CallModelResult[];
}

export interface CallToolInput extends WritePlace, OfRun, AgentReference {
  /** The turn holds a slot of a pool, which a tool that takes long must not lose. */
  readonly slot?: true;
  /** Sequence number of the assistant message with the call. */
  readonly message: number;
  /** Index of the call within that message, from 0. */
  readonly index: number;
  /** Place that the result takes. */
  readonly seq: number;
  /** The attempts are used up: write this as the result, run nothing. */
  readonly failure?: FailureInfo;
  /** Somebody has given the result of a call that waited: write this, run nothing. */
  readonly given?: string;
  /** A person has decided this request, or its time is over (`late`): do what its row says. */
  readonly request?: string;
  readonly late?: true;
  /** How long a call has waited that has a result now, ms. */
  readonly waitedMs?: number;
}

export interface CallToolResult {
  readonly seq: number;
  /** At most 512 characters of the result. */
  readonly preview: string;
  readonly bytes: number;
  readonly failure?: string;
  /** Nothing was done: nobody has decided the request. */
  readonly undecided?: true;
  /** Approved, and not done: from now on the call waits for whoever answers it. */
  readonly opens?: { readonly by?: AnsweredBy; readonly until?: number };
}

/** Hands the conversation over: writes the result of the call that asks for it. */
export interface HandOffInput extends CallToolInput {
  /** Handoffs of this turn so far. */
  readonly count: number;
  /** Another call of the same answer has handed over before. */
  readonly late?: true;
}

export interface HandOffResult {
  /** Who goes on, and what the workflow must know of that agent. Absent: nothing has changed. */
  readonly to?: AgentReference & { readonly traits: AgentTraits };
  /** The earlier turns are to be summarised by the agent that hands over. */
  readonly summarise?: true;
}

export interface CompactInput extends WritePlace, OfRun, AgentReference {
  /** Summarise all earlier turns, however short: the conversation is handed over. */
  readonly handoff?: true;
  readonly left?: TurnRemainder;
}

export interface CompactResult {
  readonly head: number;
  /** Of all attempts. */
  readonly usage: Usage;
  /** False when there was nothing left to compact. */
  readonly compacted: boolean;
  /** There is no slot in the pool: nothing was compacted, call again when told of one. */
  readonly queued?: QueuedFor;
}

export interface EndTurnInput extends WritePlace, OfRun {
  readonly outcome: 'interrupted' | 'failed';
  readonly failure?: FailureInfo;
  readonly reason?: string;
  readonly usage: Usage;
  /** Messages taken into this turn that no step has written yet: from `head + 1` on. */
  readonly inbox?: readonly InboxItem[];
  /** Tool calls whose places are reserved and perhaps not filled. */
  readonly open?: { readonly message: number; readonly first: number };
  /** Stage of a model call that never answered: what it has written is kept. */
  readonly cutOff?: number;
  /** The turn has taken a slot of a pool, or waits for one. */
  readonly slot?: true;
  /** The turn is forgotten, unless it has ended with an answer: what lies behind this place is rolled back. */
  readonly rollback?: { readonly after: number };
}

export interface EndTurnResult {
  readonly head: number;
  /** What the model call `cutOff` has cost, over all its steps and attempts. */
  readonly found?: Usage;
  /** Of the transcript, where the turn was rolled back. */
  readonly generation?: number;
}

export interface RecordStateInput extends OfRun {
  /** The change with this key is recorded once. */
  readonly key: string;
  readonly state: AgentState;
  readonly turn: number;
  readonly reason?: string;
  /** Absent while the session goes on: a pause belongs to no step, so no step fences it. */
  readonly place?: { readonly stage: number; readonly head: number };
  /**
   * Pauses and resumptions that become events, in their order; none for a mere correction of the
   * catalogue. Absent: `state` becomes one.
   */
  readonly said?: readonly AgentState[];
  /** Stage of a model call under way that is to make no further step: the session was paused. */
  readonly series?: number;
  /** Messages that were accepted and get no turn any more, because the session ends. */
  readonly inbox?: readonly InboxItem[];
}

/** A signal that was refused. Its sender cannot be told otherwise. */
export interface RefusedSignal {
  readonly reason: string;
  /** Of a message of `mail`: what has become of it. Absent: it was refused. */
  readonly became?: 'expired' | 'cancelled';
  /** Of its message, where it had one. */
  readonly id?: string;
}

export interface RecordRefusalsInput extends OfRun {
  /** These are recorded once. */
  readonly key: string;
  readonly refused: readonly RefusedSignal[];
}

/** A session is moved to another agent or version. */
export interface MoveSessionInput extends OfRun {
  /** The move with this key is recorded once. */
  readonly key: string;
  readonly from: AgentReference;
  readonly to: AgentReference;
}

export interface SpillInput extends OfRun {
  readonly messages: readonly InboxMessage[];
}

export interface LeavePoolInput extends OfRun {
  readonly turn: number;
  readonly stage: number;
}

export interface EndGroupTurnInput extends OfRun {
  readonly turn: number;
  /** Id of the group whose messages the turn took. */
  readonly group: string;
  /** Place of the answer. Absent: the turn ended without one. */
  readonly seq?: number;
}

/** The activities of a session. */
export interface SessionActivities {
  /** Enters the session in the catalogue, takes over its transcript, reads the agent's policy. */
  openSession(input: OpenSessionInput): Promise<SessionSettings>;
  /** One step or several: writes the inbox, builds the context, calls the model, writes the answer. */
  callModel(input: CallModelInput): Promise<CallModelResult>;
  /** Runs one tool call and writes its result. */
  callTool(input: CallToolInput): Promise<CallToolResult>;
  /** Hands the conversation over to another agent, or tells the model why not. */
  handOff(input: HandOffInput): Promise<HandOffResult>;
  /** Replaces old turns by a summary in what the model sees. */
  compact(input: CompactInput): Promise<CompactResult>;
  /** Closes a turn that did not complete: results for open tool calls, event, state. */
  endTurn(input: EndTurnInput): Promise<EndTurnResult>;
  /** Notes a change of state that no other activity notes. */
  recordState(input: RecordStateInput): Promise<{ head?: number }>;
  /** Notes signals that were refused, as durable events. */
  recordRefusals(input: RecordRefusalsInput): Promise<void>;
  /** Notes that the session runs another agent or version from now on. */
  moveSession(input: MoveSessionInput): Promise<void>;
  /** Moves queued messages to the store. Answers with the id of the batch, which is made of it. */
  spill(input: SpillInput): Promise<{ spill: string }>;
  /**
   * How the turn ended that took this message: its answer, or a failure of the turn's type.
   * `null` while it has not, or where no turn has taken the message.
   */
  readAnswer(input: { id: string } & OfRun): Promise<Answer | null>;
  /** The session is the parent of this one now, whose parent has ended. */
  adoptChild(input: { child: string; from: string } & OfRun): Promise<void>;
  /**
   * Tells the worker that speaks to stop at once (Temporal's own cancellation follows). With `tree`
   * also those of the sessions below it; with `ending` the session ends, and those that are handed to
   * the session above go on.
   */
  publishInterrupt(input: { turn: number; tree?: true; ending?: true } & OfRun): Promise<void>;
  /** Tells the model call of this stage to end its series: a message waits to join the turn. */
  publishSteering(input: { stage: number } & OfRun): Promise<void>;
  /** Gives back the slot of a pool, or leaves the line: the turn stands still. */
  leavePool(input: LeavePoolInput): Promise<void>;
  /** Hands on what a member of a group has answered, and lets the next one speak. */
  endGroupTurn(input: EndGroupTurnInput): Promise<void>;
}
