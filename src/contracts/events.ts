/**
 * What happens in a session, as a reader sees it: durable events (numbered, kept) and live
 * deltas (not kept; nothing depends on them). One union, grouped by life cycle:
 *
 *     session.started | session.forked
 *     ├─ message.accepted            a message is in the transcript
 *     ├─ message.refused             a message is not, and will not be
 *     ├─ turn.started
 *     │  ├─ pool.waiting             for a slot of its pool, at this place in line
 *     │  ├─ pool.entered             it has one
 *     │  ├─ mcp.unavailable          the turn continues without the tools of these servers
 *     │  ├─ step.started             an attempt of a model call
 *     │  │  ├─ delta …               live: text, reasoning
 *     │  │  └─ step.failed           that attempt; the next one supersedes its deltas
 *     │  ├─ step.completed           the final text of the step, its tool calls, its usage
 *     │  │  ├─ tool.waiting          until somebody answers the call (`session.answer`)
 *     │  │  ├─ request.made          until a person approves the call, or answers it, in the inbox
 *     │  │  ├─ request.decided       the call runs, or is refused
 *     │  │  ├─ tool.delegated        to a sub-agent, whose own session has what it does
 *     │  │  ├─ tool.started          only for tools with an effect
 *     │  │  ├─ tool.progress         live
 *     │  │  └─ tool.completed
 *     │  ├─ plan.made | plan.changed   a planner's plan was accepted
 *     │  │  └─ plan.step             a step of it has ended
 *     │  ├─ agent.handoff            another agent goes on with the turn
 *     │  └─ context.compacted
 *     ├─ turn.completed | turn.interrupted | turn.failed
 *     ├─ session.state               paused, resumed
 *     ├─ agent.moved                 another agent or version from the next turn on
 *     └─ session.ended
 */
import type { AgentReference } from './agent.js';
import type { FailureInfo } from './failures.js';
import type { AgentState } from './state.js';
import type { FinishReason, ToolCall, Usage } from './message.js';
import type { QueuedFor } from './pool.js';
import type { RequestKind, RequestState } from './requests.js';
import type { AnsweredBy } from './tool-kinds.js';

/** What every durable event has. */
export interface EventHeader {
  /** Number within the session, from 1, without gaps, in the order of what happened. */
  readonly n: number;
  /** ISO 8601, of the database's clock. */
  readonly at: string;
}

/** Where in the conversation. Turns and steps count from 1. */
export interface StepPlace {
  readonly turn: number;
  readonly step: number;
}

/** An MCP server of the agent that cannot be used now. */
export interface UnavailableServer {
  readonly server: string;
  readonly reason: string;
}

/** A step of a plan, as events tell of it; its arguments are in the transcript. */
export interface PlannedStep {
  readonly id: string;
  /** Name of the capability. */
  readonly use: string;
  /** Steps that come before it. Absent for none. */
  readonly after?: readonly string[];
  /** At most 200 characters. */
  readonly why?: string;
}

/** What becomes of a planner's plan. */
export type PlanEvent =
  | ({
      readonly type: 'plan.made';
      /** Always 1: the first plan of its turn. */
      readonly revision: number;
      readonly goal?: string;
      readonly steps: readonly PlannedStep[];
    } & StepPlace)
  | ({
      readonly type: 'plan.changed';
      readonly revision: number;
      /** `continued`: all steps were done, and there was more to do. */
      readonly because: 'failed' | 'continued';
      /** Steps whose failure led to it. */
      readonly failed?: readonly string[];
      readonly goal?: string;
      /** The steps that are still to be done; those that were done stay done. */
      readonly steps: readonly PlannedStep[];
    } & StepPlace)
  | ({
      readonly type: 'plan.step';
      /** Of the plan that it is in. */
      readonly revision: number;
      readonly id: string;
      readonly use: string;
      /** Of its call: `tool.completed` has the result. */
      readonly callId: string;
      readonly state: 'done' | 'failed';
      readonly failure?: FailureInfo;
    } & StepPlace);

/** Where a session was forked. */
export interface ForkPoint {
  readonly session: string;
  /** The last turn that it shares. */
  readonly turn: number;
  /** Name of the checkpoint, where it was forked from one. */
  readonly checkpoint?: string;
}

export type SessionEventBody =
  | PlanEvent
  | {
      readonly type: 'session.started';
      readonly agent: string;
      /** Version of its definition. Absent in sessions of earlier versions. */
      readonly version?: string;
    }
  | ({
      /** The session goes on from a turn of another one, whose events are its past. */
      readonly type: 'session.forked';
    } & ForkPoint)
  | {
      readonly type: 'agent.moved';
      readonly from: AgentReference;
      readonly to: AgentReference;
    }
  | {
      readonly type: 'session.state';
      readonly state: AgentState;
      readonly reason?: string;
    }
  | { readonly type: 'session.ended'; readonly reason?: string }
  | {
      readonly type: 'message.accepted';
      readonly id: string;
      readonly seq: number;
      readonly turn: number;
      /** The step that it joined, where it steered a turn under way; absent where it began the turn. */
      readonly step?: number;
      readonly from?: string;
      readonly text: string;
    }
  | {
      readonly type: 'message.refused';
      /** Absent for a message that had none. */
      readonly id?: string;
      /** One sentence, for the sender. */
      readonly reason: string;
    }
  | { readonly type: 'turn.started'; readonly turn: number }
  | ({ readonly type: 'pool.waiting' } & QueuedFor & StepPlace)
  | ({
      readonly type: 'pool.entered';
      readonly pool: string;
      /** In line, ms. */
      readonly waitedMs: number;
    } & StepPlace)
  | ({
      readonly type: 'mcp.unavailable';
      readonly servers: readonly UnavailableServer[];
    } & StepPlace)
  | {
      readonly type: 'turn.completed';
      readonly turn: number;
      /** Sequence number of the message with the answer. */
      readonly seq: number;
      readonly text: string;
      readonly finish: FinishReason;
      readonly usage: Usage;
    }
  | {
      readonly type: 'turn.interrupted';
      readonly turn: number;
      readonly reason?: string;
      /** The turn was forgotten: nothing of it is in the transcript that models and readers get. */
      readonly rolledBack?: true;
      readonly usage: Usage;
    }
  | {
      readonly type: 'turn.failed';
      readonly turn: number;
      readonly failure: FailureInfo;
      readonly usage: Usage;
    }
  | ({
      readonly type: 'step.started';
      readonly attempt: number;
      readonly model: string;
    } & StepPlace)
  | ({
      readonly type: 'step.failed';
      readonly attempt: number;
      readonly failure: FailureInfo;
      readonly usage?: Usage;
    } & StepPlace)
  | ({
      readonly type: 'step.completed';
      readonly attempt: number;
      readonly seq: number;
      readonly text: string;
      readonly reasoning?: string;
      readonly toolCalls?: readonly ToolCall[];
      readonly finish: FinishReason;
      readonly usage: Usage;
      readonly model: string;
    } & StepPlace)
  | ({
      /** The wait ends with `tool.completed` of the same call, or with the turn. */
      readonly type: 'tool.waiting';
      readonly callId: string;
      readonly name: string;
      /** Whoever answers names the call by it: unique in the session. */
      readonly key: string;
      /** Who answers it. Absent: anybody. */
      readonly by?: AnsweredBy;

      /** The arguments while they are at most 512 characters; `session.readCall` has longer ones. */
      readonly args?: string;
      /**
       * When the wait ends with `Tool.Timeout`, ISO 8601, by the worker's clock; the session's own
       * deadline is a moment later. Absent: never.
       */
      readonly until?: string;
    } & StepPlace)
  | ({
      /** The wait ends with `request.decided` of the same call, or with the turn. */
      readonly type: 'request.made';
      readonly callId: string;
      readonly name: string;
      readonly key: string;
      /** Id of the request in the inbox. */
      readonly request: string;
      readonly kind: RequestKind;
      /** As of `tool.waiting`. */
      readonly args?: string;
      readonly until?: string;
    } & StepPlace)
  | ({
      readonly type: 'request.decided';
      readonly callId: string;
      readonly name: string;
      readonly request: string;
      readonly decision: RequestState;
      /** Who has decided. Absent where nobody has. */
      readonly by?: string;
      readonly reason?: string;
      /** Digest of what ran, where the arguments were changed. */
      readonly edited?: string;
      /** Id of the remembered approval that has decided it, and nobody now. */
      readonly granted?: string;
    } & StepPlace)
  | ({
      /** The call gives a task to a sub-agent. Its result is in `tool.completed` of the same call. */
      readonly type: 'tool.delegated';
      readonly callId: string;
      readonly name: string;
      readonly agent: string;
      /** Session of the sub-agent. It never begins where the task is refused. */
      readonly child: string;
      /** The call does not wait for the answer. */
      readonly detached?: true;
    } & StepPlace)
  | ({
      readonly type: 'tool.started';
      readonly attempt: number;
      readonly callId: string;
      readonly name: string;
    } & StepPlace)
  | ({
      readonly type: 'tool.completed';
      readonly attempt: number;
      readonly callId: string;
      readonly name: string;
      readonly seq: number;
      /** At most 1 KB of the result. */
      readonly preview: string;
      readonly bytes: number;
      readonly ms: number;
      readonly artifact?: string;
      readonly failure?: FailureInfo;
    } & StepPlace)
  | ({
      readonly type: 'agent.handoff';
      readonly from: AgentReference;
      readonly to: AgentReference;
      /** As the model of the first one gave it. */
      readonly reason?: string;
      /** The call that has handed over. */
      readonly callId: string;
    } & StepPlace)
  | ({
      readonly type: 'context.compacted';
      readonly covers: { readonly from: number; readonly to: number };
      readonly usage: Usage;
    } & StepPlace);

/** A durable event. */
export type SessionEvent = SessionEventBody & EventHeader;

/** A live piece of what is being said. Published on the bus; may be lost. */
export interface LiveDelta extends StepPlace {
  readonly type: 'delta';
  /** Attempt of the model call, from 1; a higher one supersedes all lower ones. */
  readonly attempt: number;
  readonly channel: 'text' | 'reasoning';
  /** UTF-16 offset of `text` within what this attempt has said on this channel. */
  readonly offset: number;
  readonly text: string;
}

/** Progress of a running tool. Published on the bus; may be lost. */
export interface LiveToolProgress extends StepPlace {
  readonly type: 'tool.progress';
  readonly callId: string;
  readonly name: string;
  readonly message: string;
  /** 0 to 1, where the tool knows. */
  readonly fraction?: number;
}

/** What went before on this step is void: another attempt speaks. Made by the reader. */
export interface Superseded extends StepPlace {
  readonly type: 'superseded';
  /** The attempt that is void. */
  readonly attempt: number;
  /** The attempt that takes over. */
  readonly by: number;
}

/** What happens in one session, as its reader puts it together. */
export type SessionItem = SessionEvent | LiveDelta | LiveToolProgress | Superseded;

/** Whose an item is. Added on the reader's side: it is neither stored nor sent on the bus. */
export interface ItemOrigin {
  /** Name of the session that the item is about. */
  readonly session: string;
  /**
   * The names from the session whose stream it is, which is left out, down to `session`: empty
   * for the stream's own items, `['child', 'grandchild']` for those of a grandchild.
   */
  readonly path: readonly string[];
}

/** What `session.events()` yields. */
export type StreamItem = SessionItem & ItemOrigin;

/** What travels on the live bus of a session. */
export type LiveMessage =
  | LiveDelta
  | LiveToolProgress
  /** Durable events up to `n` are in the store: look there. */
  | { readonly type: 'wake'; readonly n: number }
  /** A reader came late: the running attempt publishes its text so far again. */
  | { readonly type: 'sync' }
  /** The turn was interrupted: a fast path beside Temporal's cancellation. */
  | { readonly type: 'interrupt'; readonly turn: number }
  /**
   * A message steers the turn, or a pause came: the model call of this stage ends its series. No turn
   * in here: workers of earlier versions would take it for an interruption.
   */
  | { readonly type: 'steer'; readonly stage: number };
