/**
 * Interfaces of the activities that a workflow of an application uses through `perdura/workflow`:
 * the parts of a session, for runs that are none. Each input has a `run`.
 */
import type {
  CallModelInput,
  CallModelResult,
  CallToolInput,
  CallToolResult,
  CompactInput,
  CompactResult,
  EndTurnInput,
  EndTurnResult,
  SessionSettings,
} from './activities.js';
import type { AgentReference } from './agent.js';
import type { ContentPart, StoredMessage } from './message.js';
import type { FailureInfo } from './failures.js';
import type { RunReference } from './run-reference.js';
import type { GivenContext } from './runtime-context.js';

/** Longest text of an answer that comes by value, UTF-16 units: it stands in the history. */
export const MOST_ANSWER_UNITS = 200_000;

interface OfPart {
  readonly run: RunReference;
}

/** What a workflow must know of an agent; recorded in its history, so fixed for the run. */
export type AgentSettings = Pick<
  SessionSettings,
  'limits' | 'sequential' | 'modelTimeoutMs' | 'heartbeatTimeoutMs' | 'version'
> & {
  /** Absent in histories of earlier versions. */
  readonly unread?: SessionSettings['unread'];
  /** Absent: `enqueue`. */
  readonly whileWorking?: SessionSettings['whileWorking'];
  readonly pool?: SessionSettings['pool'];
};

/** Of calls that may be the first with their transcript. */
export interface Opening {
  /** No call with this transcript has been accepted yet: enters it, once. */
  readonly enter?: true;
  /** For whom the transcript is, when it is entered. */
  readonly context?: GivenContext;
}

export interface RunModelInput extends CallModelInput, Opening {
  readonly run: RunReference;
}

export interface CloseTurnInput extends EndTurnInput, Opening {
  readonly run: RunReference;
}

export interface RunModelResult extends CallModelResult {
  /** The text of an answer that is final, where the preview is not all of it. */
  readonly text?: string;
}

/** A call that belongs to no transcript. */
export interface RunToolInput extends OfPart, AgentReference {
  /** Names the call among those of its run. */
  readonly key: string;
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
  /** For whom it is called. By value: another run of this workflow id may be for somebody else. */
  readonly context?: GivenContext;
}

export interface RunToolResult {
  readonly content: readonly ContentPart[];
  /** Set when the tool did not do what it was asked. */
  readonly failure?: FailureInfo;
  /** Where the whole output is, when `content` shows only its head and tail. */
  readonly artifact?: string;
}

export interface ReadTranscriptInput extends OfPart {
  /** Last accepted place. */
  readonly head: number;
  /** Messages behind this place only. */
  readonly after: number;
}

/** The activities of `perdura/workflow`. */
export interface PartActivities {
  /**
   * Reads what a workflow must know of an agent, of its newest definition where no version is named,
   * and keeps that version in the store. Fails with `Agent.Unknown`.
   */
  readAgent(input: OfPart & AgentReference): Promise<AgentSettings>;
  /** As `callModel` of a session: one step or several. */
  runModel(input: RunModelInput): Promise<RunModelResult>;
  /** As `callTool` of a session: runs one call of an answer and writes its result. */
  runToolCall(input: CallToolInput & OfPart): Promise<CallToolResult>;
  /** Runs a tool that no model has called. */
  runTool(input: RunToolInput): Promise<RunToolResult>;
  /** As `compact` of a session. */
  compactTranscript(input: CompactInput & OfPart): Promise<CompactResult>;
  /** As `endTurn` of a session: closes a turn that did not complete, and keeps what it has done. */
  closeTurn(input: CloseTurnInput): Promise<EndTurnResult>;
  /** Messages of a transcript, oldest first, as many as fit one payload. */
  readTranscript(input: ReadTranscriptInput): Promise<{
    readonly messages: readonly StoredMessage[];
    /** Set where there is more: read on behind this place. */
    readonly next?: number;
  }>;
}
