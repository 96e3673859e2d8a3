/** What a write to a session says, and what the store answers. */
import type { SessionEventBody } from '../contracts/events.js';
import type { FailureInfo } from '../contracts/failures.js';
import type { TranscriptMessage, Usage } from '../contracts/message.js';
import type { SlotGrant } from '../contracts/pool.js';
import type { RequestKind } from '../contracts/requests.js';
import type { OnParentEnd } from '../contracts/session.js';
import type { AgentState } from '../contracts/state.js';
import type { JsonSchema } from '../contracts/tool-kinds.js';

/** A session that is entered. */
export interface NewSession {
  readonly tenant: string;
  readonly session: string;
  readonly transcript: string;
  readonly run: string;
  readonly workflowId: string;
  readonly agent: string;
  readonly version?: string;
  readonly title?: string;
  /** Name of the run that it works for: see `runName`. Absent for nobody's child. */
  readonly parent?: string;
  /** Counts where the catalogue does not know the parent. Absent: the parent. */
  readonly root?: string;
  readonly onParentEnd?: OnParentEnd;
  /** Most sessions below the root of its tree that have not ended. Absent: any. */
  readonly most?: number;
}

/** How far its transcript goes already. */
export interface OpenedSession {
  readonly new: boolean;
  readonly head: number;
  readonly turn: number;
  /** The agent that the session was entered with, or moved to. */
  readonly agent: string;
  /** Null in a session of an earlier version. */
  readonly version: string | null;
  /** Not entered: so many sessions are below its root, which is as many as there may be. */
  readonly full?: number;
}

/** Who writes, and from where in the session's life. */
export interface Writer {
  readonly tenant: string;
  readonly session: string;
  readonly transcript: string;
  /** Run id of the workflow. */
  readonly run: string;
  /** Absent for a note that belongs to no step: only the run is fenced then. */
  readonly stage?: number;
  /** Last accepted place; what an unaccepted attempt left behind it is superseded. */
  readonly head: number;
}

/** A message to write. A place is written once; `key` says what for. */
export interface NewMessage {
  readonly seq: number;
  readonly key: string;
  readonly turn: number;
  readonly step: number;
  readonly attempt: number;
  /** The sender's id, for user messages: taken once per transcript. */
  readonly messageId?: string;
  readonly body: TranscriptMessage;
  readonly usage?: Usage;
  /** Belongs to the message at this place of the same append: left out if that was there before. */
  readonly with?: number;
}

export interface NewEvent {
  /** The same event is written once. */
  readonly key: string;
  readonly body: SessionEventBody;
  /** The message that the event is about: its text is read from there. */
  readonly seq?: number;
  /** As for messages. */
  readonly with?: number;
  /** The event did not happen if the message with this id turns out to be a duplicate. */
  readonly messageId?: string;
}

export interface AttemptRecord {
  readonly kind: 'model' | 'compact';
  readonly turn: number;
  readonly step: number;
  readonly attempt: number;
  /** For which agent it was paid. */
  readonly agent?: string;
  readonly model: string;
  readonly outcome: 'running' | 'completed' | 'failed' | 'interrupted' | 'superseded';
  readonly usage: Usage;
  readonly failure?: AttemptFailure;
}

/** A failed attempt; `text` is what the model had said, where the next attempt must know it. */
export interface AttemptFailure extends FailureInfo {
  readonly text?: string;
}

/** What a person is asked: see `RequestRecord`. */
export interface NewRequest {
  readonly id: string;
  readonly kind: RequestKind;
  readonly callKey: string;
  readonly turn: number;
  readonly step: number;
  readonly agent: string;
  /** Of the tool. */
  readonly name: string;
  readonly server?: string;
  /** As the model wrote them. */
  readonly arguments: string;
  readonly digest: string;
  /** JSON Schema: of the arguments, or of the answer to a question. */
  readonly schema?: JsonSchema;
  readonly rule?: string;
  readonly role?: string;
  /** People whose wish it is: they may not decide it. */
  readonly requesters: readonly string[];
  /** When it expires, ms since the epoch. */
  readonly until?: number;
  /** Id of the remembered decision that approves it. */
  readonly granted?: string;
  /** As for messages. */
  readonly with?: number;
}

/** One commit. */
export interface Append {
  readonly messages?: readonly NewMessage[];
  /** What lies behind this place is forgotten, also what is written here. Its ids stay taken. */
  readonly rollback?: { readonly after: number };
  /** Asks whether this place is taken by this key already. */
  readonly probe?: { readonly seq: number; readonly key: string };
  readonly attempt?: AttemptRecord;
  /** The first attempt at the step that follows, whose call is under way. */
  readonly next?: AttemptRecord;
  readonly toolRun?: { readonly key: string; readonly outcome: string };
  readonly events?: readonly NewEvent[];
  readonly updates?: {
    readonly state?: AgentState;
    readonly turn?: number;
    readonly head?: number;
    readonly failure?: FailureInfo;
    /** Also when the session is paused. */
    readonly force?: true;
    /** The session runs this agent from now on, in this version. */
    readonly agent?: string;
    readonly version?: string;
  };
  /** No event and no update when every message turns out to be a duplicate. */
  readonly onlyIfNew?: true;
  /** What people are asked; each request is entered once. */
  readonly requests?: readonly NewRequest[];
  /** Id of the request whose call has its result with this write. */
  readonly settles?: string;
  /** What this turn and earlier ones still ask of people is withdrawn; without a turn, everything. */
  readonly withdraw?: { readonly turn?: number };
  /** The turn is over, or stands still: its slot in a pool goes to the next in line. */
  readonly leave?: { readonly turn: number };
  /** Channel that readers listen on: they are notified after the commit. */
  readonly channel: string;
}

export interface Appended {
  /** Changes when something that a cache may hold was superseded. */
  readonly generation: number;
  readonly epoch: number;
  readonly lastEvent: number;
  /** Events that this write has added. */
  readonly newEvents: number;
  /** What was there already, at places that this append (or its probe) names. */
  readonly existing: readonly { seq: number; body: TranscriptMessage; usage: Usage | null }[];
  /** Ids of messages that the transcript had already. */
  readonly duplicates: readonly string[];
  /** Ids that it has with another text; for each, an event `message.refused` was written. */
  readonly conflicts: readonly string[];
  /** Attempts of this step that the model failed, so far. */
  readonly failures: number;
  /** Of the failed attempts of this step the newest with a text that the next one must know. */
  readonly lastFailure: AttemptFailure | null;
  /** State of the session before this write. */
  readonly state: AgentState;
  /** With `leave`: slots that went to others. The store tells them. */
  readonly grants?: readonly SlotGrant[] | null;
}
