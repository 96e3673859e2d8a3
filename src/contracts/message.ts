/**
 * Messages: what comes in from a sender, and what a transcript holds. Types and pure
 * functions only; the workflow sandbox imports this file.
 */
import type { AgentReference, HandoffFilter } from './agent.js';
import type { HeldCall } from './requests.js';
import { wellFormed } from './text.js';
import { isWhileWorking, WHILE_WORKING, type WhileWorking } from './while-working.js';

export { wellFormed } from './text.js';

/**
 * Longest message however it is configured, bytes as JSON: it stands in the input of an
 * activity beside other things, and Temporal refuses a payload of 2 MiB for ever.
 */
export const MOST_MESSAGE_JSON_BYTES = 1536 * 1024;

/** A message on its way to an agent. */
export interface InboxMessage {
  /** Made by the sender (then a repeated send is recognised), or for it. 1–128 characters. */
  readonly id: string;
  readonly text: string;
  /** Who sent it, as the model may see it; absent for the user of the session. */
  readonly from?: string;
  /** Id of the group that it was sent to. A turn takes messages of one group, or of none. */
  readonly group?: string;
  /** Begins no turn: it is read together with the next message. */
  readonly quiet?: true;
  /** When it expires unless a turn has taken it, ms since the epoch. */
  readonly until?: number;
  /** Rank of its priority: a higher one is taken first. Absent: that of `normal`. */
  readonly rank?: number;
}

/** Another workflow that waits for the answer to a message. It gets the signal `reply`. */
export interface ReplyTo {
  readonly workflowId: string;
}

/**
 * What a queue of a workflow holds: a message, or a batch that was moved to the store because
 * the queue had grown (a workflow's state must stay small).
 */
export type InboxItem = InboxMessage | SpilledMessages;

/** Messages kept in the store, in order, for a queue that holds only this reference. */
export interface SpilledMessages {
  readonly spill: string;
  readonly count: number;
  /** How many of the batch were taken before; absent for none. */
  readonly from?: number;
  /** Group of all of them. Absent for none. */
  readonly group?: string;
}

/** A tool call as the model made it. */
export interface ToolCall {
  /** The model's id of the call, unique within its message. */
  readonly id: string;
  readonly name: string;
  /** The arguments as the model wrote them: JSON text, possibly malformed. */
  readonly arguments: string;
  /** Set by us: a person must approve the call, or has in advance. */
  readonly held?: HeldCall;
}

/** A piece of a tool's result. */
export type ContentPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly mediaType: string; readonly artifact: string }
  | {
      readonly type: 'resource';
      readonly uri: string;
      readonly name?: string;
      readonly mediaType?: string;
    };

/** Why an assistant message ended. */
export type FinishReason = 'stop' | 'tools' | 'length' | 'filtered' | 'interrupted';

/** An entry of a transcript. */
export type TranscriptMessage = UserMessage | AssistantMessage | ToolMessage | SummaryMessage;

export interface UserMessage {
  readonly role: 'user';
  readonly id: string;
  readonly text: string;
  readonly from?: string;
}

export interface AssistantMessage {
  readonly role: 'assistant';
  /** Unique to this very message: the keys of its tool calls' effects are made of it. */
  readonly id: string;
  readonly text: string;
  readonly reasoning?: string;
  readonly toolCalls?: readonly ToolCall[];
  /** How the model came to this answer, for itself alone. */
  readonly reasoningItems?: ReasoningItems;
  readonly finish: FinishReason;
  readonly model: string;
}

/**
 * Encrypted reasoning of an answer. The provider that made it takes it back with the answer, so
 * that its model need not think everything again after a tool call. Nobody else can read it.
 */
export interface ReasoningItems {
  /** Provider and model that made them: others would refuse them. */
  readonly origin: string;
  /** In their order. Bounded in bytes, so perhaps none. */
  readonly items: readonly ReasoningItem[];
}

export interface ReasoningItem {
  /** What it led to: the text of the answer, or its tool call with this index. */
  readonly before: 'text' | number;
  /** As the provider sent it. */
  readonly item: Readonly<Record<string, unknown>>;
}

export interface ToolMessage {
  readonly role: 'tool';
  readonly callId: string;
  readonly name: string;
  readonly content: readonly ContentPart[];
  /** The failure, when the tool did not do what it was asked. */
  readonly failure?: { readonly type: string; readonly message: string };
  /** Where the whole output is when `content` shows only its head and tail. */
  readonly artifact?: string;
  /** The call has handed the conversation over. What comes next is another agent's. */
  readonly handoff?: HandoffRecord;
}

/** From whom to whom a conversation went, and what of it went along. */
export interface HandoffRecord {
  readonly from: AgentReference;
  readonly to: AgentReference;
  readonly filter: HandoffFilter;
}

/** Stands for the messages `from`–`to` when a context is built; they stay in the transcript. */
export interface SummaryMessage {
  readonly role: 'summary';
  readonly text: string;
  readonly covers: { readonly from: number; readonly to: number };
}

/** Token counts of a model call. `input` includes `cached`; `output` includes `reasoning`. */
export interface Usage {
  readonly input: number;
  readonly output: number;
  readonly cached: number;
  readonly reasoning: number;
  /** Micro-dollars (1e-6 USD), whole; 0 where the price of the model is unknown. */
  readonly costMicros: number;
  /** True where the provider did not report (an aborted call) and we estimated. */
  readonly estimated?: boolean;
  /** What we had estimated `input` to be, before the call: corrects the next estimate. */
  readonly sent?: number;
}

export const NO_USAGE: Usage = { input: 0, output: 0, cached: 0, reasoning: 0, costMicros: 0 };

export function addUsage(a: Usage, b: Usage): Usage {
  return {
    input: a.input + b.input,
    output: a.output + b.output,
    cached: a.cached + b.cached,
    reasoning: a.reasoning + b.reasoning,
    costMicros: a.costMicros + b.costMicros,
    ...((a.estimated ?? b.estimated) ? { estimated: true } : {}),
  };
}

/** A transcript entry with its place and its origin. */
export interface StoredMessage {
  /** Place in the transcript, from 1; there may be gaps. */
  readonly seq: number;
  /** Turn, from 1. */
  readonly turn: number;
  /** Step within the turn, from 1; 0 for what the turn began with. A message that steered has the step that it joined. */
  readonly step: number;
  /** Attempt of the activity that wrote it, from 1. */
  readonly attempt: number;
  readonly message: TranscriptMessage;
  /** For assistant messages. */
  readonly usage?: Usage;
  /** Stays in what the model sees, whole, also when a summary covers it. */
  readonly pinned?: true;
  /** Its turn was rolled back; only in a transcript that was asked for with `rolledBack`. */
  readonly rolledBack?: true;
  /** ISO 8601, of the database's clock. */
  readonly at: string;
}

/** Longest id of a workflow that Temporal takes by default, characters. */
const MOST_WORKFLOW_ID_UNITS = 1_000;

/** Who waits for the answer to a signalled message. Throws nothing: what is wrong is a `reason`. */
export function parseReplyTo(
  input: unknown,
): { readonly ok: true; readonly replyTo?: ReplyTo } | { readonly ok: false; reason: string } {
  const given: unknown =
    typeof input === 'object' ? (input as { replyTo?: unknown } | null)?.replyTo : undefined;
  if (given === undefined) return { ok: true };
  const { workflowId } = (given ?? {}) as { workflowId?: unknown };
  if (
    typeof workflowId === 'string' &&
    workflowId !== '' &&
    workflowId.length <= MOST_WORKFLOW_ID_UNITS
  ) {
    return { ok: true, replyTo: { workflowId } };
  }
  return {
    ok: false,
    reason: `The message's "replyTo" must be { "workflowId": "…" }, with 1 to ${MOST_WORKFLOW_ID_UNITS} characters.`,
  };
}

/** A message as a sender handed it in; the id may be missing. */
export interface InboundMessage {
  readonly text: string;
  readonly id?: string;
  readonly from?: string;
  /** Over what the agent declares. */
  readonly whileWorking?: WhileWorking;
}

/**
 * What a sender handed in, as a message. Accepts `"hello"`, `{ "text": "hello" }` and
 * `{ "id": "…", "text": "…", "from": "…", "whileWorking": "…" }`, so that any language and the
 * Temporal UI can send. Returns the reason when it is none of these.
 */
export function parseInbound(
  input: unknown,
): ({ ok: true } & InboundMessage) | { ok: false; reason: string } {
  if (typeof input === 'string') return checkText({ text: input });
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return { ok: false, reason: `A message is text or { "text": … }, not ${kindOf(input)}.` };
  }
  const { text, id, from, whileWorking } = input as Record<string, unknown>;
  if (typeof text !== 'string') {
    return { ok: false, reason: `The message's "text" is ${kindOf(text)}, not a string.` };
  }
  if (id !== undefined && (typeof id !== 'string' || id.length < 1 || id.length > 128)) {
    return { ok: false, reason: `The message's "id" must be a string of 1 to 128 characters.` };
  }
  if (from !== undefined && (typeof from !== 'string' || from.length < 1 || from.length > 128)) {
    return { ok: false, reason: `The message's "from" must be a string of 1 to 128 characters.` };
  }
  if (whileWorking !== undefined && !isWhileWorking(whileWorking)) {
    return {
      ok: false,
      reason: `The message's "whileWorking" must be one of ${WHILE_WORKING.join(', ')}.`,
    };
  }
  return checkText({
    text,
    ...(id === undefined ? {} : { id }),
    ...(from === undefined ? {} : { from }),
    ...(whileWorking === undefined ? {} : { whileWorking }),
  });
}

function checkText(m: InboundMessage): ReturnType<typeof parseInbound> {
  if (m.text.trim() === '') return { ok: false, reason: 'The message is empty.' };
  return {
    ok: true,
    text: wellFormed(m.text),
    // The id too: the store keeps it so, and it must be recognised when it comes again.
    ...(m.id === undefined ? {} : { id: wellFormed(m.id) }),
    ...(m.from === undefined ? {} : { from: wellFormed(m.from) }),
    ...(m.whileWorking === undefined ? {} : { whileWorking: m.whileWorking }),
  };
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'missing';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Length in UTF-8 bytes, without TextEncoder (the sandbox has none by type). */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) bytes += code > 0x7ff ? 2 : 1;
    // The high half of a surrogate pair has now counted two units and two more: the four
    // bytes of the pair, so the low half is passed over.
    if (code >= 0xd800 && code <= 0xdbff) {
      const low = text.charCodeAt(i + 1);
      if (low >= 0xdc00 && low <= 0xdfff) i++;
    }
  }
  return bytes;
}

/** Length of `text` as JSON, UTF-8 bytes: what it takes in a payload, where `"` has two and a control character six. */
export function jsonBytes(text: string): number {
  let bytes = utf8Bytes(text) + 2;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20) bytes += code >= 8 && code <= 13 && code !== 11 ? 1 : 5;
    else if (code === 0x22 || code === 0x5c) bytes += 1;
  }
  return bytes;
}
