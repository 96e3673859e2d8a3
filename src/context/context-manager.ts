/**
 * The context of an agent's model calls: what is sent of a transcript, how much that is, and
 * when and what a summary has to stand for. Over the pure parts; keeps no state of a session.
 */
import type { StoredMessage, TranscriptMessage } from '../contracts/message.js';
import type { ModelTool } from '../contracts/llm.js';
import {
  buildContext,
  cutBefore,
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
