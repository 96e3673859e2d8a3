/**
 * What is kept, as one interface for each aggregate. The classes beside this file keep it in
 * PostgreSQL; another store implements the same. All of them reject with `Store.Unavailable` when the
 * store does not answer: trying again is safe, since every write can be repeated.
 */
import type { SessionEvent } from '../contracts/events.js';
import type { SessionKey } from '../contracts/ids.js';
import type { McpPins } from '../contracts/mcp.js';
import type { MemoryEntry, MemoryKind, MemoryOwner, MemoryWritten } from '../contracts/memory.js';
import type { GivenContext } from '../contracts/runtime-context.js';
import type {
  InboxMessage,
  StoredMessage,
  TranscriptMessage,
  Usage,
} from '../contracts/message.js';
import type { DeliveryState, GroupRole } from '../contracts/mail.js';
import type { Pool, PoolLimits, SlotGrant } from '../contracts/pool.js';
import type { AgentState } from '../contracts/state.js';
import type { Agent } from '../contracts/agent.js';
import {
  AgentDefinitionStore,
  type AgentVersion,
  type AgentVersionRecord,
  type MadeAgent,
  type MakeAgent,
} from './agent-definitions.js';
import { AgentTemplateStore, type TemplateRecord } from './agent-templates.js';
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
import { MemoryStore } from './memory-store.js';
import { SessionContextStore } from './session-contexts.js';
import {
  SessionCatalogue,
  type SessionPage,
  type SessionPageOptions,
  type SessionPlace,
  type SessionRecord,
} from './session-catalogue.js';
import { ToolRunLog, type ToolRunKey, type ToolRunRecord, type ToolRunTry } from './tool-runs.js';
import {
  GroupStore,
  type EndedTurn,
  type GroupMember,
  type GroupRecord,
  type NewGroup,
  type NewMember,
} from './group-store.js';
import {
  MailStore,
  type AcceptedMail,
  type Addressee,
  type BroadcastFilter,
  type Delivery,
  type DeliveryOutcome,
  type GroupMail,
  type MailRecord,
  type NewMail,
  type RefusedMail,
  type WaitingMail,
} from './mail-store.js';
import {
  PoolStore,
  type PoolMember,
  type PoolRecord,
  type SlotHolder,
  type SlotRequest,
  type SlotTaken,
} from './pool-store.js';
import { ForkStore, type Checkpoint, type Forked, type NewFork } from './fork-store.js';
import {
  RequestStore,
  type ApprovalGrant,
  type Decision,
  type GrantQuery,
  type RequestFilter,
  type RequestRecord,
  type UntoldDecision,
} from './request-store.js';
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
  read(
    tenant: string,
    transcript: string,
    range?: TranscriptRange & { withPinned?: boolean },
  ): Promise<StoredMessage[]>;
  pin(tenant: string, transcript: string, seq: number, pinned: boolean): Promise<boolean>;
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
  /** Sessions of sub-agents that events up to number `to` tell of. */
  delegated(key: SessionKey, to: number): Promise<string[]>;
  lastTurnStart(key: SessionKey): Promise<{ n: number; turn: number } | undefined>;
}

/** The catalogue. `Transcripts` writes it. */
export interface Sessions {
  list(
    tenant: string,
    options?: { limit?: number; state?: AgentState; agent?: string },
  ): Promise<SessionRecord[]>;
  get(tenant: string, session: string): Promise<SessionRecord | undefined>;
  page(tenant: string, options?: SessionPageOptions): Promise<SessionPage>;
  adopt(key: SessionKey, change: { from: string; to: string | null }): Promise<boolean>;
  endedParents(tenant: string): Promise<SessionRecord[]>;
  /** The sessions below the run of this name, in the tree of `root`, at any depth. */
  below(
    tenant: string,
    run: { readonly name: string; readonly root: string },
    options?: { open?: boolean },
  ): Promise<SessionRecord[]>;
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

/** For whom sessions run. */
export interface SessionContexts {
  put(key: SessionKey, context: GivenContext): Promise<void>;
  inherit(key: SessionKey, from: string): Promise<void>;
  get(key: SessionKey): Promise<GivenContext | undefined>;
  sessionsOf(
    tenant: string,
    user: string,
    range?: { after?: string; limit?: number },
  ): Promise<string[]>;
  erase(key: SessionKey): Promise<number>;
}

/** A write of an entry; see `functions/remember.sql`. */
export interface MemoryWrite {
  readonly key: string;
  /** Default `fact`. */
  readonly kind?: MemoryKind;
  readonly text: string;
  readonly session?: string;
  /** The version that is replaced. Absent: there must be no entry, or one with this text. */
  readonly version?: number;
  /** Whatever is there: for an entry with one writer. */
  readonly put?: true;
  /** The same for each attempt at the same write, which is then made once. */
  readonly call?: string;
}

/** What is remembered over sessions. */
export interface Memories {
  write(owner: MemoryOwner, write: MemoryWrite): Promise<MemoryWritten>;
  get(owner: MemoryOwner, key: string): Promise<MemoryEntry | undefined>;
  list(owner: MemoryOwner, options?: { limit?: number; kind?: MemoryKind }): Promise<MemoryEntry[]>;
  recall(owner: MemoryOwner, query: string, limit?: number): Promise<MemoryEntry[]>;
  forget(
    owner: MemoryOwner,
    entry: { readonly key: string; readonly version?: number; readonly call?: string },
  ): Promise<boolean>;
  eraseUser(tenant: string, user: string): Promise<number>;
  eraseOwner(owner: MemoryOwner): Promise<number>;
}

/**
 * Messages between agents and people, by receivers. What a write answers as `shards` are couriers that
 * have something to deliver: who writes wakes them.
 */
export interface Mail {
  /**
   * To these. `running` are sessions that no worker has opened yet. Rejects with `Message.NoReceiver`
   * and `Message.Conflict`.
   */
  accept(mail: NewMail, to: readonly string[], running?: readonly string[]): Promise<AcceptedMail>;
  /** To all that `filter` means, without naming them. */
  acceptBroadcast(mail: NewMail, filter?: BroadcastFilter): Promise<AcceptedMail>;
  get(tenant: string, id: string): Promise<MailRecord | undefined>;
  concerns(tenant: string, id: string, name: string): Promise<boolean>;
  /** `receiver.session` is a session or a person. The most urgent first, then the oldest. */
  unread(receiver: SessionKey, limit: number): Promise<(MailRecord & Delivery)[]>;
  markRead(receiver: SessionKey, ids?: readonly string[]): Promise<number>;
  receipts(
    tenant: string,
    id: string,
    page: { after?: string | undefined; limit: number },
  ): Promise<Delivery[]>;
  /** How many receivers there are in each state. */
  summary(tenant: string, id: string): Promise<Readonly<Partial<Record<DeliveryState, number>>>>;
  addressees(
    tenant: string,
    filter: { agent?: string | undefined; group?: string | undefined; limit: number },
  ): Promise<Addressee[]>;
  find(tenant: string, names: readonly string[]): Promise<Addressee[]>;
  placeOfTurn(key: SessionKey, turn: number): Promise<{ hop: number; root: string } | undefined>;
  nextWaiting(tenant: string, shard: number): Promise<WaitingMail[]>;
  settle(
    tenant: string,
    outcomes: readonly DeliveryOutcome[],
  ): Promise<{ receiver: string; groupId: string }[]>;
  /** Answers the groups, by id, whose messages are among them. */
  refused(receiver: SessionKey, refusals: readonly RefusedMail[]): Promise<readonly string[]>;
  /** A session cannot be: it reads nothing of what it has. Answers as {@link Mail.refused}. */
  refusedAll(receiver: SessionKey, reason: string): Promise<readonly string[]>;
}

/** Groups. Rejects with `Group.NotFound`, and with `Group.Stopped` for what a stopped one refuses. */
export interface Groups {
  create(group: NewGroup, members: readonly NewMember[]): Promise<void>;
  get(tenant: string, name: string): Promise<GroupRecord | undefined>;
  list(tenant: string, page: { after?: string; limit: number }): Promise<GroupRecord[]>;
  members(
    tenant: string,
    group: string,
    page: { after?: string; limit: number },
  ): Promise<GroupMember[]>;
  role(tenant: string, group: string, name: string): Promise<GroupRole | undefined>;
  add(tenant: string, name: string, members: readonly NewMember[]): Promise<void>;
  remove(
    tenant: string,
    name: string,
    member: string,
  ): Promise<{ removed: boolean; shards: readonly number[] }>;
  /** `asMember`: only a member may. */
  post(name: string, mail: NewMail, asMember: boolean): Promise<AcceptedMail>;
  endTurn(ended: EndedTurn): Promise<readonly number[]>;
  passFloor(tenant: string, groupId: string, member: string): Promise<readonly number[]>;
  sessionEnded(key: SessionKey): Promise<readonly number[]>;
  pause(tenant: string, name: string, paused: boolean): Promise<readonly number[]>;
  stop(tenant: string, name: string, reason: string): Promise<readonly number[]>;
  delete(tenant: string, name: string): Promise<readonly number[]>;
  history(
    tenant: string,
    name: string,
    page: { before?: string | undefined; limit: number },
  ): Promise<GroupMail[]>;
}

/** Definitions of agents by their version, and the agents made at run time. */
export interface AgentDefinitions {
  keep(tenant: string, version: AgentVersion): Promise<void>;
  read(tenant: string, agent: string, version: string): Promise<Agent | undefined>;
  versions(tenant: string, agent?: string): Promise<AgentVersionRecord[]>;
  makeAll(tenant: string, all: readonly MakeAgent[]): Promise<string | undefined>;
  remove(tenant: string, agent: string): Promise<boolean>;
  made(tenant: string, agent: string): Promise<MadeAgent | undefined>;
  allMade(tenant: string): Promise<MadeAgent[]>;
}

/** Templates of agents, by name. */
export interface AgentTemplates {
  put(tenant: string, template: string, body: object): Promise<void>;
  remove(tenant: string, template: string): Promise<boolean>;
  list(tenant: string): Promise<TemplateRecord[]>;
}

/** Which agents of a pool. */
export interface PoolMemberFilter {
  /** Of this tenant alone. */
  readonly tenant?: string | undefined;
  /** `waiting`: in the order of the line. `working`: those that have a slot, the oldest first. */
  readonly state: 'waiting' | 'working';
  readonly limit: number;
  /** Behind so many. Default 0. */
  readonly offset?: number;
}

/**
 * Pools: limits, who is at work, who waits. Whoever is given a slot by a write is told by the hook
 * `onGranted`; a process that dies before is made up for by {@link Pools.sweep}. Rejects with
 * `Pool.Unknown`.
 */
export interface Pools {
  /** Enters pools of a configuration, and their limits where those have changed there. */
  declare(pools: readonly Pool[]): Promise<void>;
  /** Rejects with `Pool.Exists`. */
  create(pool: Pool): Promise<void>;
  /** What is left out stays; `maxPerTenant: null` takes the limit away. */
  change(name: string, limits: PoolChange): Promise<void>;
  get(name: string): Promise<PoolRecord | undefined>;
  list(): Promise<PoolRecord[]>;
  /** A slot, or a place in line. Rejects with `Store.Fenced` where a later activity has asked. */
  take(request: SlotRequest): Promise<SlotTaken>;
  /** A lease more on a slot that is held. `false`: it has been given away. */
  renew(holder: SlotHolder, leaseMs: number): Promise<boolean>;
  /** Gives a slot back, or leaves the line. */
  leave(holder: SlotHolder & { readonly run?: string; readonly stage?: number }): Promise<void>;
  /** The workflow that was given this slot has closed. */
  gone(grant: SlotGrant): Promise<void>;
  /** See `functions/pool_sweep.sql`. Answers with how many are at work and in line. */
  sweep(pools: readonly string[]): Promise<number>;
  members(pool: string, filter: PoolMemberFilter): Promise<PoolMember[]>;
  /** Moves one that waits within the line of its tenant. `false`: it does not wait there. */
  prioritise(pool: string, key: SessionKey, priority: number): Promise<boolean>;
}

/** What waits for a person. `Transcripts.append` enters requests, and settles them with their calls. */
export interface Requests {
  /** The oldest first. */
  list(tenant: string, filter: RequestFilter): Promise<RequestRecord[]>;
  get(tenant: string, id: string): Promise<RequestRecord | undefined>;
  /** Those whose id begins so. */
  find(tenant: string, prefix: string, limit: number): Promise<RequestRecord[]>;
  /** `false`: it does not wait any more, has expired, or has another digest. */
  decide(tenant: string, id: string, decision: Decision): Promise<boolean>;
  /** Its time is over, by the clock of its workflow. One that is decided stays so. */
  expire(tenant: string, id: string): Promise<void>;
  /** Ids of remembered approvals, by the digest of the call that they allow. */
  grantsFor(
    key: SessionKey,
    user: string | undefined,
    calls: readonly GrantQuery[],
  ): Promise<ReadonlyMap<string, { readonly id: string; readonly by: string }>>;
  /** The newest first. `all`: also those that no longer count. */
  grants(tenant: string, options: { all?: boolean; limit: number }): Promise<ApprovalGrant[]>;
  revoke(tenant: string, id: string, by: string): Promise<boolean>;
  /** Decisions, of all tenants, whose workflows have to be told again. */
  untold(limit: number): Promise<UntoldDecision[]>;
}

/** Forks and checkpoints. */
export interface Forks {
  /** See `functions/fork.sql`. */
  fork(fork: NewFork): Promise<Forked>;
  save(
    key: SessionKey,
    checkpoint: {
      readonly name: string;
      readonly turn: number;
      readonly note?: string;
      readonly expiresAt?: Date;
    },
  ): Promise<Checkpoint>;
  /** Also: it has not expired. */
  checkpoint(key: SessionKey, name: string): Promise<Checkpoint | undefined>;
  checkpoints(
    tenant: string,
    filter: { readonly session?: string | null; readonly limit: number },
  ): Promise<Checkpoint[]>;
  removeCheckpoint(key: SessionKey, name: string): Promise<boolean>;
  removeExpired(tenant: string): Promise<number>;
  /** Sessions, no sub-agents, that nothing has happened in for so long; the oldest first. */
  idleSince(tenant: string, filter: { ms: number; limit: number }): Promise<string[]>;
}

/** Limits to change. */
export interface PoolChange {
  readonly maxAtWork?: PoolLimits['maxAtWork'] | undefined;
  readonly maxPerTenant?: PoolLimits['maxPerTenant'] | null | undefined;
  readonly tenants?: PoolLimits['tenants'] | undefined;
}

/** What a process does when something was written. */
export interface StoreHooks {
  /** Hears of every append, for readers in this process on a bus of their own. */
  readonly onAppend?: ((key: SessionKey, lastEvent: number) => void) | undefined;
  /** Tells these workflows of their slots. Must not throw. */
  readonly onGranted?: ((grants: readonly SlotGrant[]) => void) | undefined;
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
  readonly contexts: SessionContexts;
  readonly memory: Memories;
  readonly mail: Mail;
  readonly groups: Groups;
  readonly definitions: AgentDefinitions;
  readonly templates: AgentTemplates;
  readonly pools: Pools;
  readonly requests: Requests;
  readonly forks: Forks;
}

/** All of them over one pool of connections. */
export function openStores(database: Database, hooks: StoreHooks = {}): Stores {
  return {
    transcripts: new TranscriptStore(database, hooks),
    events: new EventLog(database),
    sessions: new SessionCatalogue(database),
    attempts: new AttemptLog(database),
    toolRuns: new ToolRunLog(database),
    artifacts: new ArtifactStore(database),
    spills: new SpillStore(database),
    pins: new McpPinStore(database),
    contexts: new SessionContextStore(database),
    memory: new MemoryStore(database),
    mail: new MailStore(database),
    groups: new GroupStore(database),
    definitions: new AgentDefinitionStore(database),
    templates: new AgentTemplateStore(database),
    pools: new PoolStore(database, hooks),
    requests: new RequestStore(database),
    forks: new ForkStore(database),
  };
}
