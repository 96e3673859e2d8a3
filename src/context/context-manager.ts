/**
 * The context of an agent's model calls: what is sent of a transcript, how much that is, and
 * when and what a summary has to stand for. Over the pure parts; keeps no state of a session.
 */
import type { StoredMessage, SummaryMessage, TranscriptMessage } from '../contracts/message.js';
import type { ModelTool } from '../contracts/llm.js';
import {
  buildContext,
  callGroup,
  cutBefore,
  fittingEntries,
  pinnedPlaces,
  ratioOf,
  visiblePart,
  type ModelContext,
  type ContextRoom,
} from './context-builder.js';
import { incremental } from '../llm/incremental.js';
import { contextWindowOf, estimateTokens } from '../llm/context-window.js';
import { toCached, tokensOf, type CachedMessage } from './entries.js';
import { handedOver } from './handoff-view.js';

/** What every call of an agent has in common. An `Agent` fits, with its tools as the model sees them. */
export interface ContextManagerOptions {
  /** Decides the window, where `contextWindow` does not. */
  readonly model: string;
  /** Tokens that the model takes in and gives out together. Default: what is known of `model`. */
  readonly contextWindow?: number | undefined;
  /** Longest answer, tokens: room for it is left free. */
  readonly maxTokens: number;
  /** System prompt. Default none. */
  readonly instructions?: string | undefined;
  /** Offered with every call. Default none. */
  readonly tools?: readonly ModelTool[] | undefined;
}

/** A transcript, oldest first: as `session.transcript()` reads it, or as a worker keeps it. */
export type ContextTranscript = readonly (StoredMessage | CachedMessage)[];

/** Where a transcript is read from. A `Session` fits. */
export interface ContextSource {
  transcript(): Promise<readonly StoredMessage[]>;
}

/** Where pins are kept. A `Session` fits. */
export interface ContextStore extends ContextSource {
  pin(seq: number): Promise<void>;
  unpin(seq: number): Promise<void>;
}

/** One message of a transcript, as the next call would have it. */
export interface ContextEntry {
  readonly seq: number;
  readonly turn: number;
  readonly message: TranscriptMessage;
  /**
   * `whole`; `trimmed`: old tool output or long arguments are left out; `summarised`: a summary
   * stands for it.
   */
  readonly shown: 'whole' | 'trimmed' | 'summarised';
  /** Estimated, of what is shown: 0 for what is summarised. */
  readonly tokens: number;
  readonly pinned: boolean;
}

/** What the model will see, and what it will not. */
export interface ContextView extends Pick<ModelContext, 'tokens' | 'overflow'> {
  /** All of the transcript, oldest first. */
  readonly entries: readonly ContextEntry[];
  readonly room: ContextRoom;
}

/** What a summary would stand for. */
export interface CompactionPlan {
  /** Places of the first and the last message, for a `SummaryMessage`. */
  readonly covers: { readonly from: number; readonly to: number };
  /** The messages to be summarised, an earlier summary among them. */
  readonly old: readonly CachedMessage[];
  /** What the request for the summary may have, estimated tokens; its own answer not counted. */
  readonly limit: number;
}

/** Least room for input, tokens: a window that is smaller than the longest answer is a mistake. */
const LEAST_INPUT = 256;
/** Share of the room that the messages kept verbatim may fill. */
const KEEP_SHARE = 0.3;

/**
 * Decides what a model is shown of a transcript, within its window:
 *
 *     const context = new ContextManager({ model: 'gpt-4o', maxTokens: 4_096, instructions });
 *     const transcript = await session.transcript();
 *     const { messages, tokens } = context.build(transcript);
 *
 * A worker builds the calls of its agents with it. Pure: the same transcript gives the same
 * context, and nothing is changed or deleted.
 */
export class ContextManager {
  /** What the messages of a call must fit into, tokens. */
  readonly room: ContextRoom;

  constructor(options: ContextManagerOptions) {
    const { model, contextWindow, maxTokens, instructions = '', tools = [] } = options;
    this.room = {
      limit: Math.max(LEAST_INPUT, (contextWindow ?? contextWindowOf(model)) - maxTokens),
      fixed: estimateTokens(instructions) + toolTokens(tools),
    };
  }

  /**
   * The messages of the next call: from the newest summary on, old tool output left out where
   * the window would not hold it, and every tool call followed by its result. `overflow` says
   * that nothing more can be left out and it still does not fit.
   */
  build(transcript: ContextTranscript): ModelContext {
    return buildContext(entriesOf(transcript), this.room);
  }

  /** Reads a transcript, with what is pinned. */
  async load(source: ContextSource): Promise<ContextTranscript> {
    return source.transcript();
  }

  /**
   * Keeps what is pinned in `transcript`, and nothing else: the messages themselves are written by the
   * steps that make them.
   */
  async save(store: ContextStore, transcript: ContextTranscript): Promise<void> {
    const kept = pinnedPlaces(entriesOf(await store.transcript()));
    const wanted = pinnedPlaces(entriesOf(transcript));
    for (const seq of kept) if (!wanted.has(seq)) await store.unpin(seq);
    for (const seq of wanted) if (!kept.has(seq)) await store.pin(seq);
  }

  /**
   * The transcript with the message at `seq` pinned, or not: a pinned message stays in what the model
   * sees, whole, also when a summary covers it. A tool call and its results stay together.
   */
  pin(transcript: ContextTranscript, seq: number, pinned = true): ContextTranscript {
    const together = callGroup(entriesOf(transcript), seq);
    return transcript.map((entry) => {
      if (!together.has(entry.seq)) return entry;
      const { pinned: _before, ...rest } = entry;
      return pinned ? { ...rest, pinned: true as const } : rest;
    });
  }

  /**
   * What the model would be shown if only so many tokens fitted (default: its room): old tool output
   * and long arguments are left out first. Nothing else is: see `compact`.
   */
  trim(transcript: ContextTranscript, tokens = this.room.limit): readonly TranscriptMessage[] {
    return buildContext(entriesOf(transcript), { ...this.room, limit: tokens }).messages;
  }

  /**
   * The transcript with a summary that stands for its older part. `summarise` writes it, of the
   * messages it is given; an empty text is refused with a `TypeError`. The same transcript where
   * there is nothing to summarise. (A session does this by itself when its window is full.)
   */
  async compact(
    transcript: ContextTranscript,
    summarise: (old: readonly TranscriptMessage[]) => Promise<string>,
  ): Promise<ContextTranscript> {
    const plan = this.compaction(transcript);
    if (!plan) return transcript;
    const text = await summarise(plan.old.map(({ message }) => message));
    if (text.trim() === '') throw new TypeError('The summary is empty.');
    const message: SummaryMessage = { role: 'summary', text, covers: plan.covers };
    const last = transcript.at(-1)!;
    const summary = { seq: last.seq + 1, turn: last.turn, message, tokens: tokensOf(message) };
    return [...entriesOf(transcript), summary];
  }

  /** All of a transcript, and what the next call would show of each message. */
  view(transcript: ContextTranscript): ContextView {
    const all = entriesOf(transcript);
    const { tokens, overflow } = buildContext(all, this.room);
    const shown = fittingEntries(visiblePart(all), this.room).entries;
    const bySeq = new Map(shown.map((entry) => [entry.seq, entry]));
    const pinned = pinnedPlaces(all);
    const entries = all.map((entry): ContextEntry => {
      const { seq, turn, message } = entry;
      const visible = bySeq.get(seq);
      const how = !visible ? 'summarised' : visible.message === message ? 'whole' : 'trimmed';
      const estimate = visible?.tokens ?? 0;
      return { seq, turn, message, shown: how, tokens: estimate, pinned: pinned.has(seq) };
    });
    return { entries, tokens, overflow, room: this.room };
  }

  /** Estimated input tokens of the next call, corrected by what the provider counted last time. */
  tokens(transcript: ContextTranscript): number {
    return this.build(transcript).tokens;
  }

  /** Estimated tokens of a text, or of a message with what the wire format adds to it. */
  estimate(what: string | TranscriptMessage): number {
    return typeof what === 'string' ? estimateTokens(what) : tokensOf(what);
  }

  /** Whether the next call has no room without a summary. */
  needsCompaction(transcript: ContextTranscript): boolean {
    return this.build(transcript).overflow;
  }

  /**
   * What a summary should stand for: all but the newest messages, which stay verbatim, and
   * never a call without its result. Undefined when nothing new would be covered. Does not ask
   * whether a summary is needed: the provider may have said so. With `before`, all turns before
   * that one, however short they are.
   */
  compaction(
    transcript: ContextTranscript,
    { before }: { readonly before?: number } = {},
  ): CompactionPlan | undefined {
    const visible = handedOver(visiblePart(entriesOf(transcript)));
    const limit = this.room.limit / ratioOf(visible);
    // Of what there is, where that is less than the window: then the provider, who said that it
    // does not fit, has a smaller window than we think.
    const size = visible.reduce((sum, { tokens }) => sum + tokens, 0);
    const cut =
      before === undefined
        ? cutBefore(visible, Math.min(limit, size) * KEEP_SHARE)
        : cutBeforeTurn(visible, before);
    const old = visible.slice(0, cut);
    const [first] = old;
    if (!first) return undefined;
    return { covers: { from: first.seq, to: old.at(-1)!.seq }, old, limit };
  }
}

/** How many entries belong to earlier turns. 0 where a summary stands for them already. */
function cutBeforeTurn(visible: readonly CachedMessage[], turn: number): number {
  const first = visible.findIndex(
    (entry) => entry.turn >= turn && entry.message.role !== 'summary',
  );
  const cut = first === -1 ? visible.length : first;
  return visible.slice(0, cut).every(({ message }) => message.role === 'summary') ? 0 : cut;
}

/** With their tokens; a worker's own entries have them. */
function entriesOf(transcript: ContextTranscript): readonly CachedMessage[] {
  return isCounted(transcript)
    ? transcript
    : transcript.map((entry) => ('tokens' in entry ? entry : toCached(entry)));
}

function isCounted(transcript: ContextTranscript): transcript is readonly CachedMessage[] {
  return allCounted(transcript);
}

const allCounted = incremental<ContextTranscript[number], boolean>(
  (before = true, since) => before && since.every((entry) => 'tokens' in entry),
);

/** By identity of the list: a worker shows an agent the same one call after call. */
const counted = new WeakMap<readonly ModelTool[], number>();

function toolTokens(tools: readonly ModelTool[]): number {
  if (tools.length === 0) return 0;
  const known = counted.get(tools) ?? estimateTokens(JSON.stringify(tools));
  counted.set(tools, known);
  return known;
}
