/**
 * What a session remembers between its steps: its queue, the ids it has seen, its place in
 * the transcript. No Temporal in here, so that its rules can be tested by themselves.
 */
import { AgentStateMachine } from '../../src/contracts/state.js';
import {
  addUsage,
  NO_USAGE,
  jsonBytes,
  type InboxItem,
  type InboxMessage,
  type Usage,
} from '../../src/contracts/message.js';
import { endedSession, type Child } from '../../src/contracts/delegation.js';
import type { FailureInfo } from '../../src/contracts/failures.js';
import { rankOf } from '../../src/contracts/mail.js';
import type { AgentReference } from '../../src/contracts/agent.js';
import type {
  CallFate,
  CarriedState,
  OpenTurn,
  PendingMove,
  QueueMode,
  SendReceipt,
} from '../../src/contracts/session.js';

/** Ids that travel through continue-as-new. Older ones are recognised by the store. */
const CARRIED_IDS = 500;
/** Ids that one run remembers. */
const KNOWN_IDS = 5_000;
/**
 * Messages and bytes that one turn takes. They stand in Temporal's history twice (as they
 * came, and as an activity's input), and a payload may have 2 MiB.
 */
const TURN_MESSAGES = 100;
const TURN_BYTES = 512 * 1024;
/** In place of a turn: the message is in the store, which knows its turn. */
const IN_STORE = -1;
/** Stopped groups that are remembered. What comes of an older one is refused where it would be said. */
const STOPPED_GROUPS = 50;
const NORMAL = rankOf('normal');
/** Calls of which one run remembers what became of them, and those that travel on. */
const CLOSED_CALLS = 500;
const CARRIED_CLOSED_CALLS = 50;
/** A queue above this goes to the store before it is carried to the next run, bytes. */
export const CARRIED_QUEUE_BYTES = 128 * 1024;

/** A message that was accepted. */
interface Seen {
  /** 0 while it waits, or {@link IN_STORE}. */
  readonly turn: number;
  /** Of its text; unknown for what earlier versions carried. */
  readonly digest: number | undefined;
}

/** What of the queue is taken, and what stays. */
interface Taking {
  readonly taken: InboxItem[];
  readonly rest: InboxItem[];
  /** Messages taken, those of batches included. */
  readonly count: number;
}

export class SessionState {
  head: number;
  stage: number;
  turn: number;
  readonly machine: AgentStateMachine;
  usage: Usage;
  failure: FailureInfo | undefined;
  open: OpenTurn | undefined;
  readonly runs: number;
  wakeAt: number | undefined;
  /** Workflows that wait for the answer to a message, by its id. */
  readonly replies: Map<string, string>;
  /** Groups that were stopped. */
  readonly #stopped: Set<string>;
  /** The agent that the session runs. */
  agent: AgentReference;
  /** Where it goes when no turn is under way. */
  moving: PendingMove | undefined;
  /** Sub-agents at work, by their sessions. */
  readonly children: Map<string, Child>;
  /** Of the transcript, since the last rollback; `undefined` before any. */
  generation: number | undefined;
  /** The latest stage that was told of a slot of its pool. A later run asks for it again. */
  granted = 0;
  /** What became of calls that no longer wait, the newest last. */
  readonly #closedCalls: Map<string, CallFate>;
  /** Waiting messages that steer the turn under way, by {@link keyOf}. */
  readonly #steering = new Set<string>();
  /** Waiting messages that have stopped a turn, by {@link keyOf}. */
  readonly #next = new Set<string>();
  #inbox: InboxItem[];
  /** Messages in the queue, spilled ones included. Counted along: a flood asks for it each time. */
  #queued: number;
  /** By id, in the order of acceptance. */
  readonly #seen: Map<string, Seen>;

  constructor(carried?: CarriedState, agent: AgentReference = { agent: 'assistant' }) {
    const version = carried ? carried.agentVersion : agent.version;
    this.agent = { agent: agent.agent, ...(version === undefined ? {} : { version }) };
    this.moving = carried?.moving;
    this.head = carried?.head ?? 0;
    this.stage = carried?.stage ?? 0;
    this.turn = carried?.turn ?? 0;
    this.machine = new AgentStateMachine(carried?.state ?? 'idle', carried?.midTurn ?? false);
    this.usage = carried?.usage ?? NO_USAGE;
    this.failure = carried?.failure;
    this.open = carried?.open;
    this.runs = (carried?.runs ?? 0) + 1;
    this.wakeAt = carried?.wakeAt;
    this.replies = new Map(carried?.replies);
    this.#stopped = new Set(carried?.stoppedGroups);
    this.children = new Map(carried?.children?.map((child) => [child.session, child]));
    this.generation = carried?.generation;
    this.#closedCalls = new Map(carried?.closedCalls);
    for (const [key, mode] of carried?.modes ?? []) this.#setMode(key, mode);
    this.#inbox = [...(carried?.inbox ?? [])];
    this.#queued = countMessages(this.#inbox);
    this.#seen = new Map();
    this.remember(carried?.seen ?? []);
  }

  /** This workflow waits for no answer any more. */
  dropReplies(workflowId: string): void {
    for (const [id, waiting] of this.replies) if (waiting === workflowId) this.replies.delete(id);
  }

  /** Ids that were taken before. */
  remember(seen: CarriedState['seen']): void {
    for (const [id, turn, digest] of seen) this.#seen.set(id, { turn, digest });
  }

  /** Goes on where the transcript of an earlier life of the session ends. */
  resume(head: number, turn: number): void {
    this.head = head;
    this.turn = turn;
  }

  /** Whether a message with this id was taken before, as far as this run remembers. */
  knows(id: string): boolean {
    return this.#seen.has(id);
  }

  /** Puts a message into the queue, unless its id was taken before. */
  accept(message: InboxMessage, mode?: QueueMode): SendReceipt {
    if (this.#seen.has(message.id)) return { id: message.id, duplicate: true, ahead: 0 };
    const at = this.#placeOf(message);
    const ahead = mode === 'steer' ? this.#steering.size : countMessages(this.#inbox.slice(0, at));
    this.#setMode(keyOf(message), mode);
    this.#inbox.splice(at, 0, message);
    this.#queued += 1;
    this.#seen.set(message.id, { turn: 0, digest: digestOf(message.text) });
    if (this.#seen.size > KNOWN_IDS) {
      const [oldest] = this.#seen.keys();
      this.#seen.delete(oldest!);
    }
    return { id: message.id, duplicate: false, ahead };
  }

  /** Behind all that is as urgent; what is in the store stays where it is. */
  #placeOf({ rank = NORMAL }: InboxMessage): number {
    let at = this.#inbox.length;
    for (; at > 0; at--) {
      const before = this.#inbox[at - 1]!;
      if ('spill' in before || (before.rank ?? NORMAL) >= rank) break;
    }
    return at;
  }

  /** Whether a message waits that begins a turn. */
  get called(): boolean {
    return this.#inbox.some((item) => 'spill' in item || !item.quiet);
  }

  isStopped(group: string): boolean {
    return this.#stopped.has(group);
  }

  /** The group was stopped. Answers the messages of it that were waiting. */
  stopGroup(group: string): InboxMessage[] {
    this.#stopped.add(group);
    if (this.#stopped.size > STOPPED_GROUPS) {
      const [oldest] = this.#stopped;
      this.#stopped.delete(oldest!);
    }
    return this.#drop((message) => message.group === group);
  }

  /** Takes out what has expired before a turn could take it. */
  expired(now: number): InboxMessage[] {
    return this.#drop(({ until }) => until !== undefined && until <= now);
  }

  #drop(which: (message: InboxMessage) => boolean): InboxMessage[] {
    const dropped = this.#inbox.filter(
      (item): item is InboxMessage => !('spill' in item) && which(item),
    );
    if (dropped.length === 0) return dropped;
    this.#inbox = this.#inbox.filter((item) => 'spill' in item || !which(item));
    this.#queued -= dropped.length;
    return dropped;
  }

  /** Whether the id was taken before by a message with another text. */
  conflicts({ id, text }: InboxMessage): boolean {
    const digest = this.#seen.get(id)?.digest;
    return digest !== undefined && digest !== digestOf(text);
  }

  /** Messages that wait for a turn. */
  get queued(): number {
    return this.#queued;
  }

  /** Batches of the queue that are in the store. */
  get spills(): string[] {
    return this.#inbox.flatMap((item) => ('spill' in item ? [item.spill] : []));
  }

  /** The turn of a message; 0 while it waits, `undefined` when only the store can tell. */
  turnOf(id: string): number | undefined {
    const turn = this.#seen.get(id)?.turn;
    return turn === IN_STORE ? undefined : turn;
  }

  /** These messages turned out to be in the transcript since an earlier turn. */
  repeated(ids: readonly string[]): void {
    for (const id of ids) this.#moved(id, IN_STORE);
  }

  /** Takes the unread messages that begin a turn, in order, as many as one turn may have. */
  take(unread: 'all' | 'one'): InboxItem[] {
    // No step has followed that they could have joined: from now on they wait like all others.
    this.#steering.clear();
    const most = unread === 'one' ? 1 : TURN_MESSAGES;
    const inOrder = this.#plan(most, () => true);
    const within = new Set(inOrder.taken.map(keyOf));
    // What has stopped a turn begins the next one, wherever it stands in the queue.
    if ([...this.#next].every((key) => within.has(key))) return this.#leave(inOrder);
    return this.#leave(this.#plan(most, (item) => this.#next.has(keyOf(item))));
  }

  /** Whether messages wait that steer the turn under way. */
  get steering(): boolean {
    return this.#steering.size > 0 && this.#inbox.some((item) => this.#steers(item));
  }

  /** What is answered in a group is for that group alone: others' messages wait for their own turn. */
  #steers(item: InboxItem): boolean {
    return this.#steering.has(keyOf(item)) && item.group === this.open?.group;
  }

  /** Takes the messages that steer the turn under way, in order, as many as fit a step. */
  takeSteering(): InboxItem[] {
    return this.#leave(this.#plan(TURN_MESSAGES, (item) => this.#steers(item)));
  }

  /** Which of the wanted items are taken together: a turn or a step has room for so many. */
  #plan(most: number, wanted: (item: InboxItem) => boolean): Taking {
    const taken: InboxItem[] = [];
    const rest: InboxItem[] = [];
    let count = 0;
    let quiet = 0;
    let bytes = 0;
    let full = false;
    for (const item of this.#inbox) {
      // What is answered in a group is for that group alone.
      full ||= wanted(item) && taken[0] !== undefined && taken[0].group !== item.group;
      // Goes along with the next one, also where a turn takes one message.
      const along = most === 1 && !full && wanted(item) && quiet < TURN_MESSAGES;
      if (along && !('spill' in item) && item.quiet) {
        taken.push(item);
        bytes += jsonBytes(item.text);
        quiet += 1;
        continue;
      }
      // A batch was made as large as a turn may be.
      const size = 'spill' in item ? TURN_BYTES : jsonBytes(item.text);
      const messages = 'spill' in item ? item.count : 1;
      full ||= count > 0 && wanted(item) && (count + messages > most || bytes + size > TURN_BYTES);
      if (full || !wanted(item)) {
        rest.push(item);
      } else if ('spill' in item && messages > most) {
        // A batch was made for a turn that takes all; of this one only the first is taken.
        taken.push({ ...item, count: most });
        rest.push({ ...item, from: (item.from ?? 0) + most, count: messages - most });
        count = most;
        full = true;
      } else {
        taken.push(item);
        count += messages;
        bytes += size;
      }
    }
    return { taken, rest, count: count + quiet };
  }

  #leave({ taken, rest, count }: Taking): InboxItem[] {
    this.#inbox = rest;
    this.#queued -= count;
    const group = taken[0]?.group;
    if (this.open && group !== undefined) this.open = { ...this.open, group };
    const left = new Set(rest.map(keyOf));
    for (const item of taken) {
      if (!('spill' in item)) this.#moved(item.id, this.turn);
      // Of a batch that was taken in part, the rest keeps its mode.
      if (!left.has(keyOf(item))) this.#setMode(keyOf(item), undefined);
    }
    return taken;
  }

  /** Takes one message out of the queue, for the turn under way; `undefined` where it is not there. */
  withdraw(id: string): string | undefined {
    const index = this.#inbox.findIndex((item) => !('spill' in item) && item.id === id);
    const found = this.#inbox[index];
    if (!found || 'spill' in found) return undefined;
    this.#inbox = this.#inbox.filter((item) => item !== found);
    this.#queued -= 1;
    this.#moved(id, this.turn);
    return found.text;
  }

  /** Sessions of detached sub-agents whose ends wait in the queue, in their order. */
  get endings(): string[] {
    return this.#inbox.flatMap((item) => ('spill' in item ? [] : (endedSession(item.id) ?? [])));
  }

  #setMode(key: string, mode: QueueMode | undefined): void {
    this.#steering.delete(key);
    this.#next.delete(key);
    if (mode === 'steer') this.#steering.add(key);
    else if (mode === 'next') this.#next.add(key);
  }

  #modeOf(key: string): QueueMode | undefined {
    if (this.#steering.has(key)) return 'steer';
    return this.#next.has(key) ? 'next' : undefined;
  }

  /** Takes everything that waits: the session ends. */
  drain(): InboxItem[] {
    const rest = this.#inbox;
    this.#inbox = [];
    this.#queued = 0;
    this.#steering.clear();
    this.#next.clear();
    return rest;
  }

  /** A call no longer waits. */
  callClosed(key: string, fate: CallFate): void {
    this.#closedCalls.set(key, fate);
    if (this.#closedCalls.size <= CLOSED_CALLS) return;
    const [oldest] = this.#closedCalls.keys();
    this.#closedCalls.delete(oldest!);
  }

  /** The turn under way ends before its calls were answered. */
  callsGivenUp(fate: CallFate): void {
    for (const { key } of this.open?.calls?.waiting ?? []) this.callClosed(key, fate);
  }

  /** What became of a call that no longer waits; `undefined` for one that is not remembered. */
  fateOf(key: string): CallFate | undefined {
    return this.#closedCalls.get(key);
  }

  /** Starts the next turn. */
  begin(now: number): OpenTurn {
    this.machine.apply('begin');
    this.turn += 1;
    this.failure = undefined;
    return (this.open = { step: 0, repairs: 0, startedAt: now, from: this.head, usage: NO_USAGE });
  }

  spend(usage: Usage): void {
    this.usage = addUsage(this.usage, usage);
    if (this.open) this.open = { ...this.open, usage: addUsage(this.open.usage, usage) };
  }

  /** The turn under way had nothing new to take: it never was. */
  undo(before: FailureInfo | undefined): void {
    this.finish(before);
    this.turn -= 1;
  }

  /** Ends the turn under way. */
  finish(failure?: FailureInfo): void {
    this.machine.apply(failure ? 'fail' : 'finish');
    this.failure = failure;
    this.open = undefined;
  }

  /**
   * Batches of waiting messages that are too large to be carried, oldest first, each small
   * enough for one payload. The caller keeps each in the store and then calls {@link spilled}.
   */
  oversized(): InboxMessage[][] {
    const messages = this.#inbox.filter((item): item is InboxMessage => !('spill' in item));
    const total = messages.reduce((sum, { text }) => sum + jsonBytes(text), 0);
    if (total <= CARRIED_QUEUE_BYTES && messages.length <= TURN_MESSAGES * 5) return [];
    const batches: InboxMessage[][] = [];
    let bytes = Infinity;
    for (const message of messages) {
      const size = jsonBytes(message.text);
      const batch = batches.at(-1);
      const other =
        batch &&
        (batch[0]!.group !== message.group ||
          this.#modeOf(keyOf(batch[0]!)) !== this.#modeOf(keyOf(message)));
      if (!batch || other || batch.length >= TURN_MESSAGES || bytes + size > TURN_BYTES) {
        batches.push([message]);
        bytes = size;
      } else {
        batch.push(message);
        bytes += size;
      }
    }
    return batches;
  }

  /** The messages of `batch` are in the store, as `spill`. */
  spilled(batch: readonly InboxMessage[], spill: string): void {
    const ids = new Set(batch.map(({ id }) => id));
    const at = this.#inbox.findIndex((item) => !('spill' in item) && ids.has(item.id));
    const rest = this.#inbox.filter((item) => 'spill' in item || !ids.has(item.id));
    const { group } = batch[0]!;
    const item = { spill, count: batch.length, ...(group === undefined ? {} : { group }) };
    rest.splice(at, 0, item);
    this.#inbox = rest;
    this.#setMode(keyOf(item), batch[0] && this.#modeOf(keyOf(batch[0])));
    for (const message of batch) this.#setMode(keyOf(message), undefined);
    // Whoever takes the batch sees no ids: the store will know the turn.
    for (const id of ids) if (this.#seen.has(id)) this.#moved(id, IN_STORE);
  }

  /** The turn of this message, or {@link IN_STORE}. */
  #moved(id: string, turn: number): void {
    this.#seen.set(id, { turn, digest: this.#seen.get(id)?.digest });
  }

  #carriedModes(): Pick<CarriedState, 'modes'> {
    const of = (keys: Iterable<string>, mode: QueueMode) =>
      [...keys].map((key): [string, QueueMode] => [key, mode]);
    const modes = [...of(this.#steering, 'steer'), ...of(this.#next, 'next')];
    return modes.length > 0 ? { modes } : {};
  }

  /** What the next run of the workflow needs. */
  carry(): CarriedState {
    return {
      version: 1,
      head: this.head,
      stage: this.stage,
      turn: this.turn,
      state: this.machine.state,
      midTurn: this.machine.midTurn,
      ...(this.open ? { open: this.open } : {}),
      inbox: this.#inbox,
      seen: [...this.#seen]
        .slice(-CARRIED_IDS)
        .map(([id, { turn, digest }]) => (digest === undefined ? [id, turn] : [id, turn, digest])),
      usage: this.usage,
      ...(this.failure ? { failure: this.failure } : {}),
      runs: this.runs,
      ...(this.wakeAt === undefined ? {} : { wakeAt: this.wakeAt }),
      ...(this.replies.size === 0 ? {} : { replies: [...this.replies] }),
      ...(this.#stopped.size === 0 ? {} : { stoppedGroups: [...this.#stopped] }),
      ...(this.agent.version === undefined ? {} : { agentVersion: this.agent.version }),
      ...(this.moving ? { moving: this.moving } : {}),
      ...(this.children.size === 0 ? {} : { children: [...this.children.values()] }),
      ...(this.#closedCalls.size === 0
        ? {}
        : { closedCalls: [...this.#closedCalls].slice(-CARRIED_CLOSED_CALLS) }),
      ...this.#carriedModes(),
      ...(this.generation === undefined ? {} : { generation: this.generation }),
    };
  }
}

/** Names an item of the queue: a message by its id, a batch by that of the store. */
function keyOf(item: InboxItem): string {
  return 'spill' in item ? `spill ${item.spill}` : item.id;
}

/** FNV-1a, 32 bits: tells another text from the same one, and protects nothing. */
function digestOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Messages behind items of a queue, spilled ones included. */
export function countMessages(items: readonly InboxItem[]): number {
  return items.reduce((sum, item) => sum + ('spill' in item ? item.count : 1), 0);
}
