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
import type { CarriedState, OpenTurn, SendReceipt } from '../../src/contracts/session.js';

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
/** A queue above this goes to the store before it is carried to the next run, bytes. */
export const CARRIED_QUEUE_BYTES = 128 * 1024;

/** A message that was accepted. */
interface Seen {
  /** 0 while it waits, or {@link IN_STORE}. */
  readonly turn: number;
  /** Of its text; unknown for what earlier versions carried. */
  readonly digest: number | undefined;
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
  /** Sub-agents at work, by their sessions. */
  readonly children: Map<string, Child>;
  #inbox: InboxItem[];
  /** Messages in the queue, spilled ones included. Counted along: a flood asks for it each time. */
  #queued: number;
  /** By id, in the order of acceptance. */
  readonly #seen: Map<string, Seen>;

  constructor(carried?: CarriedState) {
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
    this.children = new Map(carried?.children?.map((child) => [child.session, child]));
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

  /** Puts a message into the queue, unless its id was taken before. */
  accept(message: InboxMessage): SendReceipt {
    if (this.#seen.has(message.id)) return { id: message.id, duplicate: true, ahead: 0 };
    const ahead = this.queued;
    this.#inbox.push(message);
    this.#queued += 1;
    this.#seen.set(message.id, { turn: 0, digest: digestOf(message.text) });
    if (this.#seen.size > KNOWN_IDS) {
      const [oldest] = this.#seen.keys();
      this.#seen.delete(oldest!);
    }
    return { id: message.id, duplicate: false, ahead };
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

  /** Takes the unread messages, in order, as many as one turn may have. */
  take(unread: 'all' | 'one'): InboxItem[] {
    const most = unread === 'one' ? 1 : TURN_MESSAGES;
    const taken: InboxItem[] = [];
    let count = 0;
    let bytes = 0;
    let rest: InboxItem[] = [];
    for (const item of this.#inbox) {
      // A batch was made as large as a turn may be.
      const size = 'spill' in item ? TURN_BYTES : jsonBytes(item.text);
      const messages = 'spill' in item ? item.count : 1;
      if (count > 0 && (count + messages > most || bytes + size > TURN_BYTES)) break;
      if ('spill' in item && messages > most) {
        // A batch was made for a turn that takes all; of this one only the first is taken.
        taken.push({ ...item, count: most });
        count = most;
        rest = [{ ...item, from: (item.from ?? 0) + most, count: messages - most }];
        break;
      }
      taken.push(item);
      count += messages;
      bytes += size;
    }
    this.#inbox = [...rest, ...this.#inbox.slice(taken.length)];
    this.#queued -= count;
    for (const item of taken) if (!('spill' in item)) this.#moved(item.id, this.turn);
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

  /** Takes everything that waits: the session ends. */
  drain(): InboxItem[] {
    const rest = this.#inbox;
    this.#inbox = [];
    this.#queued = 0;
    return rest;
  }

  /** Starts the next turn. */
  begin(now: number): OpenTurn {
    this.machine.apply('begin');
    this.turn += 1;
    this.failure = undefined;
    return (this.open = { step: 0, repairs: 0, startedAt: now, usage: NO_USAGE });
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
      if (!batch || batch.length >= TURN_MESSAGES || bytes + size > TURN_BYTES) {
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
    rest.splice(at, 0, { spill, count: batch.length });
    this.#inbox = rest;
    // Whoever takes the batch sees no ids: the store will know the turn.
    for (const id of ids) if (this.#seen.has(id)) this.#moved(id, IN_STORE);
  }

  /** The turn of this message, or {@link IN_STORE}. */
  #moved(id: string, turn: number): void {
    this.#seen.set(id, { turn, digest: this.#seen.get(id)?.digest });
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
      ...(this.children.size === 0 ? {} : { children: [...this.children.values()] }),
    };
  }
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
