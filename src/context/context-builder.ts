/**
 * What the model sees of a transcript: the newest summary, what came after it, and of old
 * tool output only a mark, when the window would not hold it all. Pure.
 */
import type { TranscriptMessage } from '../contracts/message.js';
import { incremental } from '../llm/incremental.js';
import { estimateTokens } from '../llm/context-window.js';
import { tokensOf, type CachedMessage } from './entries.js';
import { handedOver } from './handoff-view.js';

/** Share of the budget that may be full before old tool output is trimmed. */
const TRIM_ABOVE = 0.8;
/**
 * The trim line moves in strides of so many places, not with every message: what lies before
 * it stays the same over many calls, so a provider's prompt cache still recognises it.
 */
const TRIM_STRIDE = 16;
/** Tool output is shown whole in this many of the newest messages. */
const ALWAYS_WHOLE = 8;
const TRIMMED_TOKENS = 24;
/** Arguments of a tool call above this are left out where the window would not hold them, tokens. */
const LARGE_ARGUMENTS = 1_000;

export interface ModelContext {
  readonly messages: readonly TranscriptMessage[];
  /** Estimated input tokens, uncorrected: kept with the answer, to correct the next estimate. */
  readonly estimate: number;
  /** The same, corrected by what the provider counted last time. */
  readonly tokens: number;
  /** Nothing more can be trimmed, and it still does not fit: compact. */
  readonly overflow: boolean;
}

/** What a context must fit into, tokens. */
export interface ContextRoom {
  /** The window of the model, less the longest answer. */
  readonly limit: number;
  /** Estimate of what every call carries: instructions and tools. */
  readonly fixed: number;
}

/** Builds the context of a call. */
export function buildContext(
  transcript: readonly CachedMessage[],
  room: ContextRoom,
): ModelContext {
  const visible = handedOver(visiblePart(transcript));
  const ratio = ratioOf(visible);
  const { entries, estimate } = fittingEntries(visible, room, ratio);
  const tokens = Math.ceil(estimate * ratio);
  return { messages: closeCalls(entries), estimate, tokens, overflow: tokens > room.limit };
}

/** What is shown of the visible part: as it is, or shorter where the room would not hold it. */
export function fittingEntries(
  visible: readonly CachedMessage[],
  room: ContextRoom,
  ratio = ratioOf(visible),
): { readonly entries: readonly CachedMessage[]; readonly estimate: number } {
  const whole = room.fixed + sum(visible);
  if (whole * ratio <= room.limit * TRIM_ABOVE) return { entries: visible, estimate: whole };
  const line = trimLine(visible, whole - (room.limit * TRIM_ABOVE) / ratio);
  const trimmed = visible.map((entry) => (entry.seq < line ? trimmedOf(entry) : entry));
  const estimate = room.fixed + sum(trimmed);
  if (Math.ceil(estimate * ratio) <= room.limit) return { entries: trimmed, estimate };
  // What the model wrote for a tool it need not read again; compaction could not part the
  // newest call from its result either.
  const lean = trimmed.map(leanOf);
  return { entries: lean, estimate: room.fixed + sum(lean) };
}

/** From the newest summary on; of the messages that it covers only those are shown that are pinned. */
export const visiblePart = incremental<CachedMessage, readonly CachedMessage[]>(
  (before, since, all) => {
    if (since.some(isSummary)) return fromSummaryOn(all);
    return before?.[0] && isSummary(before[0]) ? before.concat(since) : all;
  },
);

function isSummary({ message }: CachedMessage): boolean {
  return message.role === 'summary';
}

function fromSummaryOn(transcript: readonly CachedMessage[]): readonly CachedMessage[] {
  const summary = transcript.findLast(isSummary)!;
  const upto = summary.message.role === 'summary' ? summary.message.covers.to : 0;
  const pinned = pinnedPlaces(transcript);
  return [
    summary,
    ...transcript.filter(
      (entry) => !isSummary(entry) && (entry.seq > upto || pinned.has(entry.seq)),
    ),
  ];
}

/** Places that are pinned. A call and its results are pinned together: none is shown without the other. */
export function pinnedPlaces(transcript: readonly CachedMessage[]): ReadonlySet<number> {
  if (!transcript.some(({ pinned }) => pinned)) return NO_PLACES;
  const groups = callGroups(transcript).filter((group) => group.some(({ pinned }) => pinned));
  return new Set(groups.flat().map(({ seq }) => seq));
}

/** The place of a message, with those of its call and the results beside it. */
export function callGroup(
  transcript: readonly CachedMessage[],
  place: number,
): ReadonlySet<number> {
  const group = callGroups(transcript).find((each) => each.some(({ seq }) => seq === place));
  return new Set(group?.map(({ seq }) => seq));
}

const NO_PLACES: ReadonlySet<number> = new Set();

/** Each message with the tool results that follow it. */
function callGroups(transcript: readonly CachedMessage[]): CachedMessage[][] {
  const groups: CachedMessage[][] = [];
  for (const entry of transcript) {
    const group = groups.at(-1);
    if (group && entry.message.role === 'tool') group.push(entry);
    else groups.push([entry]);
  }
  return groups;
}

/**
 * By how much the provider counts more than we estimate, from its newest answer; within
 * bounds, because a provider that reports nonsense must not empty the context.
 */
export function ratioOf(visible: readonly CachedMessage[]): number {
  for (let i = visible.length - 1; i >= 0; i--) {
    const { ratio } = visible[i]!;
    if (ratio !== undefined) return Math.min(4, Math.max(0.5, ratio));
  }
  return 1;
}

/**
 * How many messages the summary covers: as many as leave at most `keep` tokens verbatim, cut
 * before a message of the user or the model, so that no call is parted from its result.
 * 0 when nothing new would be covered.
 */
export function cutBefore(visible: readonly CachedMessage[], keep: number): number {
  const pinned = pinnedPlaces(visible);
  const stays = ({ seq }: CachedMessage) => pinned.has(seq);
  // What is pinned takes its room in any case.
  let kept = visible.filter(stays).reduce((tokens, entry) => tokens + entry.tokens, 0);
  let cut = 0;
  for (let i = visible.length - 1; i > 0; i--) {
    const entry = visible[i]!;
    const { message, tokens } = entry;
    if (!stays(entry)) kept += tokens;
    if (message.role !== 'user' && message.role !== 'assistant') continue;
    // The newest message stays even when it alone is too long; the provider has the last word.
    if (kept > keep && cut > 0) break;
    cut = i;
    if (kept > keep) break;
  }
  const covered = visible
    .slice(0, cut)
    .filter((entry) => entry.message.role !== 'summary' && !stays(entry));
  return covered.length === 0 ? 0 : cut;
}

const sum = incremental<CachedMessage, number>((before = 0, since) =>
  since.reduce((tokens, entry) => tokens + entry.tokens, before),
);

function trimLine(visible: readonly CachedMessage[], excess: number): number {
  const newest = visible.at(-ALWAYS_WHOLE)?.seq ?? 0;
  let saved = 0;
  for (const { seq, message, tokens, pinned } of visible) {
    if (seq >= newest) break;
    if (message.role === 'tool' && !pinned) saved += Math.max(0, tokens - TRIMMED_TOKENS);
    if (saved >= excess) {
      return Math.min(newest, Math.ceil((seq + 1) / TRIM_STRIDE) * TRIM_STRIDE);
    }
  }
  return newest;
}

const trimmedOf = once(trim);

function trim(entry: CachedMessage): CachedMessage {
  const { message } = entry;
  if (message.role !== 'tool' || entry.tokens <= TRIMMED_TOKENS || entry.pinned) return entry;
  const where = message.artifact
    ? ` The whole output is artifact ${message.artifact}: read_artifact shows it.`
    : ' Call the tool again if it is needed.';
  return {
    ...entry,
    tokens: TRIMMED_TOKENS,
    message: {
      ...message,
      content: [{ type: 'text', text: `[Old output of ${message.name} left out.${where}]` }],
    },
  };
}

const leanOf = once(trimArguments);

function trimArguments(entry: CachedMessage): CachedMessage {
  const { message } = entry;
  if (message.role !== 'assistant' || entry.tokens <= LARGE_ARGUMENTS || entry.pinned) return entry;
  const toolCalls = (message.toolCalls ?? []).map((call) =>
    estimateTokens(call.arguments) > LARGE_ARGUMENTS
      ? {
          ...call,
          arguments: JSON.stringify({ left_out: `${call.arguments.length} characters` }),
        }
      : call,
  );
  const lean = { ...message, ...(message.toolCalls ? { toolCalls } : {}) };
  return { ...entry, tokens: tokensOf(lean), message: lean };
}

/** Makes one thing of an object once: what is made of a list stays the same from call to call. */
function once<T extends object>(make: (from: T) => T): (from: T) => T {
  const made = new WeakMap<T, T>();
  return (from) => {
    let result = made.get(from);
    if (!result) made.set(from, (result = make(from)));
    return result;
  };
}

/**
 * Providers refuse a tool call without a result. A result is missing only where a turn was
 * cut off and its closing has not been written yet.
 */
function closeCalls(visible: readonly CachedMessage[]): readonly TranscriptMessage[] {
  const { messages, open } = paired(visible);
  return open.size === 0 ? messages : messages.concat(missingOf(open));
}

/** Messages in which calls have results; and the newest calls that have none, ids to names. */
interface Paired {
  readonly messages: readonly TranscriptMessage[];
  readonly open: ReadonlyMap<string, string>;
}

const paired = incremental<CachedMessage, Paired>((before, since) => {
  const messages = [...(before?.messages ?? [])];
  let open = new Map(before?.open);
  for (const { message } of since) {
    if (message.role === 'tool') {
      // The other way round is refused too: a result whose call was compacted away.
      if (!open.delete(message.callId)) continue;
    } else {
      messages.push(...missingOf(open));
      const calls = message.role === 'assistant' ? (message.toolCalls ?? []) : [];
      open = new Map(calls.map(({ id, name }) => [id, name]));
    }
    messages.push(message);
  }
  return { messages, open };
});

function missingOf(open: ReadonlyMap<string, string>): TranscriptMessage[] {
  return [...open].map(([callId, name]) => missingResult(callId, name));
}

/** What a tool call that never reported is told to have answered. */
export function missingResult(callId: string, name: string): TranscriptMessage {
  return {
    role: 'tool',
    callId,
    name,
    content: [
      {
        type: 'text',
        text: 'OUTCOME_UNKNOWN: this call was cut off. Whether it took effect is not known.',
      },
    ],
    failure: { type: 'Tool.Interrupted', message: 'The call was cut off.' },
  };
}
