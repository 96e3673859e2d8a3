/** What a model would be shown of a session. Pure. */
import type { ModelTool } from '../../contracts/llm.js';
import type { TranscriptMessage } from '../../contracts/message.js';
import type { RuntimeSessionContext } from '../../contracts/runtime-context.js';
import { clean, oneLine } from './clean.js';
import type { Style } from './style.js';
import { table } from './table.js';
import { grouped, plural } from './units.js';

/** As `src/context` has it; named here because a renderer imports contracts only. */
export interface ShownContext {
  readonly instructions: string;
  readonly tools: readonly ModelTool[];
  readonly memory?: string;
  readonly runtime: RuntimeSessionContext;
  readonly view: {
    readonly entries: readonly {
      readonly seq: number;
      readonly turn: number;
      readonly message: TranscriptMessage;
      readonly shown: 'whole' | 'trimmed' | 'summarised';
      readonly tokens: number;
      readonly pinned: boolean;
    }[];
    readonly tokens: number;
    readonly overflow: boolean;
    readonly room: { readonly limit: number; readonly fixed: number };
  };
}

export function contextText(
  { instructions, tools, memory, runtime, view }: ShownContext,
  { style, full }: { readonly style: Style; readonly full: boolean },
): string {
  const { entries, tokens, overflow, room } = view;
  const { name, model } = runtime.agent;
  const share = Math.round((tokens / room.limit) * 100);
  const count = (how: string) => entries.filter(({ shown }) => shown === how).length;
  const pinned = entries.filter((entry) => entry.pinned).length;
  const lines = [
    `${style.bold(oneLine(name, 64))}  ${oneLine(model, 64)}`,
    `~${grouped(tokens)} of ${grouped(room.limit)} tokens (${share} %), ${grouped(room.fixed)} of them in every call`,
    `${plural(entries.length, 'message')}: ${count('whole')} whole, ${count('trimmed')} trimmed, ${count('summarised')} summarised, ${pinned} pinned`,
    `${plural(tools.length, 'tool')}: ${tools.map((tool) => oneLine(tool.name, 64)).join(', ') || 'none'}`,
  ];
  if (overflow) {
    lines.push(style.yellow('It does not fit: a summary is written before the next call.'));
  }
  lines.push('', style.dim('Instructions'), shownText(instructions, full));
  if (memory !== undefined) lines.push('', style.dim('Memory'), shownText(memory, full));
  const rows = entries.map(({ seq, turn, message, shown, tokens: size, pinned: kept }) => [
    String(seq),
    String(turn),
    message.role,
    shown === 'whole' ? shown : style.yellow(shown),
    kept ? 'pinned' : '',
    grouped(size),
    full ? textOf(message) : oneLine(textOf(message), 80),
  ]);
  const head = ['PLACE', 'TURN', 'ROLE', 'SHOWN', '', 'TOKENS', 'TEXT'].map(style.dim);
  return `${lines.join('\n')}\n\n${entries.length === 0 ? 'No messages yet.\n' : table([head, ...rows])}`;
}

function shownText(text: string, full: boolean): string {
  return full ? clean(text) : oneLine(text, 200);
}

function textOf(message: TranscriptMessage): string {
  if (message.role === 'tool') {
    const parts = message.content.map((part) =>
      part.type === 'text' ? part.text : `[${part.type}]`,
    );
    return clean(`${message.name} → ${parts.join('\n')}`);
  }
  if (message.role !== 'assistant') return clean(message.text);
  const calls = (message.toolCalls ?? []).map((call) => `${call.name} ${call.arguments}`);
  return clean([message.text, ...calls].filter((text) => text !== '').join(' · '));
}
