/**
 * What an agent that has taken over a conversation sees of what came before: as the filter of the
 * newest handoff says. Earlier handoffs no longer count. Pure.
 */
import type { HandoffRecord, ToolMessage } from '../contracts/message.js';
import { incremental } from '../llm/incremental.js';
import { tokensOf, type CachedMessage } from './entries.js';

interface View {
  readonly entries: readonly CachedMessage[];
  /** Something was left out or changed, so that `entries` is a list of its own. */
  readonly filtered: boolean;
}

const viewOf = incremental<CachedMessage, View>((before, since, all) => {
  if (since.some(isHandoff)) return fromHandoffOn(all);
  if (!before?.filtered) return { entries: all, filtered: false };
  return { entries: before.entries.concat(since), filtered: true };
});

/** The entries that the agent of the newest handoff sees; all of them where there was none. */
export function handedOver(entries: readonly CachedMessage[]): readonly CachedMessage[] {
  return viewOf(entries).entries;
}

function fromHandoffOn(all: readonly CachedMessage[]): View {
  const at = all.findLastIndex(isHandoff);
  const { message, turn } = all[at] as CachedMessage & { readonly message: HandedOver };
  const { filter } = message.handoff;
  // A summary is an entry of the transcript, which stands for what it covers by itself.
  if (filter === 'all' || filter === 'summary') return { entries: all, filtered: false };
  const before = all.slice(0, at + 1);
  const kept =
    filter === 'no-tools'
      ? before.flatMap((entry) => withoutTools(entry, message.callId))
      : // A summary tells of turns that were not handed over.
        before.filter(
          (entry) => entry.turn > turn - filter.turns && entry.message.role !== 'summary',
        );
  return { entries: [...kept, ...all.slice(at + 1)], filtered: true };
}

/** The call that handed over, and its result, stay: they say who goes on, and why. */
function withoutTools(entry: CachedMessage, handoff: string): CachedMessage[] {
  const { message } = entry;
  if (message.role === 'tool') return message.callId === handoff && message.handoff ? [entry] : [];
  if (message.role !== 'assistant' || !message.toolCalls) return [entry];
  const { toolCalls, reasoningItems: _reasoning, ...rest } = message;
  const calls = toolCalls.filter(({ id }) => id === handoff);
  if (calls.length === 0 && rest.text === '') return [];
  const lean = { ...rest, ...(calls.length > 0 ? { toolCalls: calls } : {}) };
  return [{ ...entry, message: lean, tokens: tokensOf(lean) }];
}

type HandedOver = ToolMessage & { readonly handoff: HandoffRecord };

function isHandoff({ message }: CachedMessage): boolean {
  return message.role === 'tool' && message.handoff !== undefined;
}
