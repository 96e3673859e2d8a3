/**
 * The door of a session workflow: its input, its handlers' names, what they take and answer.
 * The sandbox, the SDK and a foreign client agree here.
 */
import type { AgentTraits } from './activities.js';
import type { AgentReference } from './agent.js';
import type { Child, ChildInput } from './delegation.js';
import type { AgentState } from './state.js';
import type { FailureInfo } from './failures.js';
import { MAIL_SIGNAL, STOP_GROUP_SIGNAL } from './mail.js';
import { SLOT_SIGNAL } from './pool.js';
import type { InboxItem, Usage } from './message.js';
import type { WaitsForSlot } from './pool.js';
import { DECIDED_SIGNAL } from './requests.js';
import type { ContextInput } from './runtime-context.js';
import type { AnsweredBy } from './tool-kinds.js';

/**
 * Input of `agentSession`. Every field is optional, so that a session can be started by hand:
 * `{"agent":"assistant","message":"hello"}`.
 */
export interface SessionInput {
  /** Name of an agent: of the configuration, or made at run time. Default `assistant`. */
  readonly agent?: string;
  /** Version of its definition, which must be in the store. Default: the newest. */
  readonly version?: string;
  /** A first message: text, or `{ "text": …, "id": … }`. */
  readonly message?: unknown;
  /** Several first messages. */
  readonly messages?: readonly unknown[];
  /** A title for people, at most 200 characters. */
  readonly title?: string;
  /** The run that started this session, as `runName` has it. */
  readonly parent?: string;
  /** The run at the top of the tree, where that is another one than the parent. */
  readonly root?: string;
  /** For whom the session runs. It counts for its whole life: the first one stands. */
  readonly context?: ContextInput;
  /** What becomes of the session when its parent ends. Default `end`. */
  readonly onParentEnd?: OnParentEnd;
  /** Set for a session that works for another run. */
  readonly child?: ChildInput;
  /** Set by continue-as-new only. */
  readonly carried?: CarriedState;
}

/**
 * What becomes of a session when the one that started it ends. `end`: it ends too. `keep`: it goes on
 * alone, and nobody hears of its answer; nothing that stops its parent stops it. `grandparent`: it
 * becomes a child of its parent's parent, and goes on alone where there is none.
 */
export type OnParentEnd = (typeof ON_PARENT_END)[number];

export const ON_PARENT_END = ['end', 'keep', 'grandparent'] as const;

/** What one run of a session hands to the next. Small: the transcript is in the store. */
export interface CarriedState {
  readonly version: 1;
  /** Last sequence number of the transcript that an accepted step wrote. */
  readonly head: number;
  /** Counts steps over the whole life; an activity with a lower one is late and fenced. */
  readonly stage: number;
  /** Turns begun. */
  readonly turn: number;
  readonly state: AgentState;
  readonly midTurn: boolean;
  /** A turn cut by continue-as-new between two steps. */
  readonly open?: OpenTurn;
  readonly inbox: readonly InboxItem[];
  /** Ids of messages taken, with their turn and a digest of their text, newest last. */
  readonly seen: readonly (readonly [id: string, turn: number, digest?: number])[];
  readonly usage: Usage;
  readonly failure?: FailureInfo;
  /** Runs so far, this one not counted. */
  readonly runs: number;
  /** Set when a wake-up was asked for: when, in ms since the epoch. */
  readonly wakeAt?: number;
  /** Workflows that wait for the answer to a message, by its id. Absent for none. */
  readonly replies?: readonly (readonly [id: string, workflowId: string])[];
  /** Ids of groups that were stopped: what still comes of them is dropped. Absent for none. */
  readonly stoppedGroups?: readonly string[];
  /** Version of the agent that the input names. Absent in runs of earlier versions. */
  readonly agentVersion?: string;
  /** The session is moved here when its turn is over. */
  readonly moving?: PendingMove;
  /** Sub-agents at work. Absent for none. */
  readonly children?: readonly Child[];
  /** Calls that no longer wait, newest last. Absent for none. */
  readonly closedCalls?: readonly (readonly [key: string, fate: CallFate])[];
  /** Waiting messages with a mode, by their id (or that of their batch). Absent for none. */
  readonly modes?: readonly (readonly [item: string, mode: QueueMode])[];
  /** Generation of the transcript since the last rollback. Absent before any. */
  readonly generation?: number;
}

/** Where a session goes when no turn is under way, and what its workflow must know of that agent. */
export interface PendingMove extends AgentReference {
  readonly traits: AgentTraits;
}

/**
 * How a waiting message is taken. `steer`: with the next step of the turn under way. `next`: it
 * stopped a turn, and begins the next one also where a turn takes one message.
 */
export type QueueMode = 'steer' | 'next';

/** A turn between two of its steps, or one that waits for the answers to calls. */
export interface OpenTurn {
  /** Steps begun. */
  readonly step: number;
  /** Steps in a row in which every tool call was wrong. */
  readonly repairs: number;
  /** ms since the epoch, of the workflow's clock. */
  readonly startedAt: number;
  /** Of the time since then, ms spent waiting for people: no work. Absent for none. */
  readonly waitedMs?: number;
  /** The head before the turn, for a rollback. Absent in turns that an earlier version began. */
  readonly from?: number;
  readonly usage: Usage;
  /** Calls of the last step that are not settled. */
  readonly calls?: OpenCalls;
  /** Id of the group whose messages the turn took. Absent for none. */
  readonly group?: string;
  /** The slot of a pool that the turn has, or waits for. Absent for none. */
  readonly slot?: TurnSlot;
  /** How often the conversation was handed over. Absent for never. */
  readonly handoffs?: number;
  /** Of the agent that began the turn: they hold to its end. Absent before a handoff. */
  readonly limits?: AgentTraits['limits'];
  /** The agent that began the turn, for a rollback. Absent before a handoff. */
  readonly began?: PendingMove;
}

/** A turn's slot of a pool. */
export interface TurnSlot {
  readonly pool: string;
  /** It waits: the activity of this stage was told so. Absent: it has the slot, as far as is known. */
  readonly queued?: Omit<WaitsForSlot, 'pool'> & { readonly stage: number };
}

/** The calls of an assistant message whose results are not all in the transcript. */
export interface OpenCalls {
  /** Place of the assistant message. */
  readonly message: number;
  /** Place of the first call's result; the others follow in the order of the calls. */
  readonly first: number;
  /** Calls that wait for their answer (`run: 'workflow'` or `'client'`). */
  readonly waiting: readonly WaitingCall[];
  /** Indices of calls that hand over, when all others are settled. Absent for none. */
  readonly handoffs?: readonly number[];
  /** When they began, ms since the epoch. Absent where a run of an earlier version began them. */
  readonly since?: number;
}

/** A tool call that waits until somebody answers it by its key. */
export interface WaitingCall {
  /** Unique in the session: see `callKey`. */
  readonly key: string;
  /** Index within its message, from 0. */
  readonly index: number;
  /** The model's id of the call. */
  readonly id: string;
  readonly name: string;
  /** The arguments while they are at most 512 characters; `session.readCall` has longer ones. */
  readonly args?: string;
  /** When the wait ends with `Tool.Timeout`, ms since the epoch. Absent: never. */
  readonly until?: number;
  /** Id of the request that a person decides in the inbox. Absent: it is none. */
  readonly request?: string;
  /** Of a call that runs when it is approved: what its activity depends on. */
  readonly runs?: { readonly timeoutMs: number; readonly retryMs: number };
  /** What answers it: who holds the session, a person in the inbox, or sub-agents. Absent: anybody, by `session.answer`. */
  readonly by?: AnsweredBy | AnsweringAgents;
}

/** The session of a sub-agent that answers a call, or those whose ends do. */
export type AnsweringAgents =
  | { readonly session: string; readonly agent: string }
  | { readonly sessions: readonly string[]; readonly any?: true };

/** What became of a call that no longer waits. The last three: of its turn. */
export type CallFate = 'answered' | 'refused' | 'timeout' | 'interrupted' | 'rolledBack' | 'failed';

/** Answer of the update `send`. */
export interface SendReceipt {
  readonly id: string;
  /** The same message was taken before; nothing was added. */
  readonly duplicate: boolean;
  /** Messages before this one that are not yet in a turn. */
  readonly ahead: number;
}

/** Answer of the update `ask`, and of a finished turn. */
export interface Answer {
  readonly turn: number;
  /** The final text; empty when the turn was interrupted before any. */
  readonly text: string;
  readonly finish: string;
  readonly usage: Usage;
}

/** What the signal `reply` brings to a workflow that asked: an answer, or why there is none. */
export interface SessionReply {
  /** Of the message. */
  readonly id: string;
  readonly session: string;
  readonly answer?: Answer;
  readonly failure?: FailureInfo;
}

/** What the update `answer` takes: the result of a call that waits. */
export interface CallAnswer {
  /** Key of the call, as `SessionStatus.waiting` and the event `tool.waiting` have it. */
  readonly call: string;
  /** The result: text, or anything that JSON holds. */
  readonly output?: unknown;
  /** Instead of an output: why there is none. The model is told. */
  readonly error?: string;
}

/** What the update `move` takes. */
export interface MoveRequest {
  /** Default: the agent that the session runs. */
  readonly agent?: string;
  /** Default `latest`: what the workers have now. */
  readonly version?: string;
}

/** Answer of the update `move`. */
export interface MoveReceipt {
  readonly agent: string;
  readonly version: string;
  /** False while a turn is under way, which ends with the agent that it has. */
  readonly applied: boolean;
}

/** Answer of the update `interrupt`. */
export interface InterruptReceipt {
  /** Whether a turn was under way. */
  readonly interrupted: boolean;
  readonly turn: number;
}

/** Answer of the query `status`. */
export interface SessionStatus {
  readonly tenant: string;
  readonly session: string;
  /** The agent that the session runs now. */
  readonly agent: string;
  /** Version of its definition. Absent in runs of earlier versions. */
  readonly version?: string;
  /** Where the session goes when its turn is over. Absent when it stays. */
  readonly moving?: AgentReference;
  readonly state: AgentState;
  /** Turns begun. */
  readonly turn: number;
  /** Step of the turn under way, 0 when none is. */
  readonly step: number;
  /** Messages accepted and not yet in a turn. */
  readonly queued: number;
  readonly head: number;
  readonly usage: Usage;
  /** The pool whose slot the turn waits for. Absent when it waits for none. */
  readonly pool?: WaitsForSlot;
  /** Tool calls that wait for an answer. Absent when none does. */
  readonly waiting?: readonly WaitingCall[];
  /** Why the last turn failed, while the state is `error`. */
  readonly failure?: FailureInfo;
  /** Runs so far, continue-as-new counted. */
  readonly runs: number;
}

/**
 * Type of the refusal that answers the update `status`; its details hold a {@link SessionStatus}.
 *
 * Why not the query: a query that finds its workflow in no cache makes the worker read the whole
 * history, events included that no workflow task has brought yet. The workflow stays in the cache as
 * it is then, meets the rest of those events in another activation than a replay does, and can never
 * be replayed (SDK 1.24; https://github.com/temporalio/sdk-go/issues/755 tells of the same race).
 * A refused update goes with a workflow task, and leaves nothing in the history.
 */
export const STATUS_ANSWER = 'Session.Status';

/** Answer of the query `transcriptHead`. */
export interface TranscriptHead {
  readonly transcript: string;
  readonly head: number;
}

/** What the workflow returns when the session has ended. */
export interface SessionResult {
  readonly turns: number;
  readonly head: number;
  readonly usage: Usage;
  readonly reason?: string;
}

/** Signal by which a session answers a workflow that asked with `replyTo`. */
export const REPLY_SIGNAL = 'reply';

/** Signal between sessions of a tree, when a parent ends before its child. */
export const KIN_SIGNAL = 'kin';

/** What it says. */
export type KinMessage =
  /** To the session above: this one is yours now. */
  | { readonly adopt: AdoptedChild }
  /** To the child: your answer goes to this workflow, and `left` is not above you any more. */
  | { readonly asker: string; readonly left: string };

/** A session whose parent has ended, and that goes on. */
export interface AdoptedChild {
  readonly session: string;
  readonly agent: string;
  /** Name of the run that was its parent; see `runName`. */
  readonly from: string;
}

/** Names of the handlers, for clients in any language. */
export const HANDLERS = {
  send: 'send',
  ask: 'ask',
  interrupt: 'interrupt',
  answer: 'answer',
  move: 'move',
  message: 'message',
  pause: 'pause',
  resume: 'resume',
  terminate: 'terminate',
  wakeUpAfter: 'wakeUpAfter',
  /** Of couriers: see `contracts/mail.ts`. */
  mail: MAIL_SIGNAL,
  stopGroup: STOP_GROUP_SIGNAL,
  /** Of whoever gives slots: see `contracts/pool.ts`. */
  slot: SLOT_SIGNAL,
  /** Of whoever decides a request: see `contracts/requests.ts`. */
  decided: DECIDED_SIGNAL,
  status: 'status',
  transcriptHead: 'transcriptHead',
} as const;
