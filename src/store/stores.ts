/**
 * What is kept, as one interface for each aggregate. The classes beside this file keep it in
 * PostgreSQL; another store implements the same. All of them reject with `Store.Unavailable` when the
 * store does not answer: trying again is safe, since every write can be repeated.
 */
import type { SessionEvent } from '../contracts/events.js';
import type { SessionKey } from '../contracts/ids.js';
import type { McpPins } from '../contracts/mcp.js';
import type {
  InboxMessage,
  StoredMessage,
  TranscriptMessage,
  Usage,
} from '../contracts/message.js';
import type { AgentState } from '../contracts/state.js';
import type { Append, Appended, NewSession, OpenedSession, Writer } from './append-types.js';
import {
  AttemptLog,
  type AttemptPlace,
  type AttemptRow,
  type StagePlace,
  type StepSpending,
} from './attempts.js';
import { ArtifactStore, SpillStore, type Artifact } from './blob-stores.js';
import type { Database } from './database.js';
import { EventLog } from './event-log.js';
import { McpPinStore } from './mcp-pins.js';
import { SessionCatalogue, type SessionPlace, type SessionRecord } from './session-catalogue.js';
import { ToolRunLog, type ToolRunKey, type ToolRunRecord, type ToolRunTry } from './tool-runs.js';
import { TranscriptStore } from './transcript-store.js';

/** Which messages of a transcript. */
export interface TranscriptRange {
  /** Behind this place. Default: from the beginning. */
  readonly after?: number;
  /** Up to this place. Default: to the end. */
  readonly to?: number;
  /** Also those of turns that were rolled back. Default `false`. */
  readonly rolledBack?: boolean;
}

/** Messages, and the one door through which a session is written. */
export interface Transcripts {
  append(writer: Writer, append: Append, onSent?: () => void): Promise<Appended>;
  openSession(session: NewSession): Promise<OpenedSession>;
  openTranscript(run: Pick<Writer, 'tenant' | 'session' | 'transcript' | 'run'>): Promise<void>;
  read(tenant: string, transcript: string, range?: TranscriptRange): Promise<StoredMessage[]>;
  readVisible(tenant: string, transcript: string, to: number): Promise<StoredMessage[]>;
  readStage(
    tenant: string,
    transcript: string,
    place: { stage: number; after: number },
  ): Promise<{ seq: number; message: TranscriptMessage; usage: Usage | null }[]>;
}

/** Durable events, read back. `Transcripts.append` writes them. */
export interface Events {
  read(key: SessionKey, range?: { after?: number; limit?: number }): Promise<SessionEvent[]>;
  last(keys: readonly SessionKey[]): Promise<{ key: SessionKey; n: number }[]>;
  findMessage(key: SessionKey, id: string): Promise<{ n: number; turn: number } | undefined>;
  findTurnEnd(
    key: SessionKey,
    place: { turn: number; after: number },
  ): Promise<SessionEvent | undefined>;
  lastTurnStart(key: SessionKey): Promise<{ n: number; turn: number } | undefined>;
}

/** The catalogue. `Transcripts` writes it. */
export interface Sessions {
  list(
    tenant: string,
    options?: { limit?: number; state?: AgentState; agent?: string },
  ): Promise<SessionRecord[]>;
  get(tenant: string, session: string): Promise<SessionRecord | undefined>;
  place(key: SessionKey): Promise<SessionPlace | undefined>;
}

/** Attempts at model calls. `Transcripts.append` enters and ends them. */
export interface Attempts {
  list(key: SessionKey): Promise<AttemptRow[]>;
  noteSpoken(place: AttemptPlace, usage: Usage): Promise<void>;
  giveUp(key: SessionKey): Promise<void>;
  spendingOfStage(place: StagePlace): Promise<ReadonlyMap<number, StepSpending>>;
  usageOfTurn(key: SessionKey, turn: number): Promise<Usage>;
}

/** The tries of tool calls. `Transcripts.append` ends those whose results a transcript has. */
export interface ToolRuns {
  begin(run: ToolRunTry): Promise<ToolRunRecord>;
  endTry(run: ToolRunTry, failure?: string): Promise<void>;
  find(key: ToolRunKey): Promise<ToolRunRecord | undefined>;
  finish<T>(run: ToolRunTry, outcome: string, result: T): Promise<T>;
}

/** Outputs that are too long for a message. */
export interface Artifacts {
  put(owner: SessionKey, mediaType: string, content: Buffer): Promise<string>;
  get(owner: SessionKey, id: string): Promise<Artifact>;
}

/** Queues that are too long to be carried to the next run. */
export interface Spills {
  put(owner: SessionKey, messages: readonly InboxMessage[]): Promise<string>;
  get(owner: SessionKey, spill: string): Promise<InboxMessage[]>;
  keepOnly(owner: SessionKey, spills: readonly string[]): Promise<void>;
}

export interface Stores {
  readonly transcripts: Transcripts;
  readonly events: Events;
  readonly sessions: Sessions;
  readonly attempts: Attempts;
  readonly toolRuns: ToolRuns;
  readonly artifacts: Artifacts;
  readonly spills: Spills;
  readonly pins: McpPins;
}

/** All of them over one pool. `onAppend` as for {@link TranscriptStore}. */
export function openStores(
  database: Database,
  onAppend?: (key: SessionKey, lastEvent: number) => void,
): Stores {
  return {
    transcripts: new TranscriptStore(database, onAppend),
    events: new EventLog(database),
    sessions: new SessionCatalogue(database),
    attempts: new AttemptLog(database),
    toolRuns: new ToolRunLog(database),
    artifacts: new ArtifactStore(database),
    spills: new SpillStore(database),
    pins: new McpPinStore(database),
  };
}
