/** Tool calls as lines of a conversation. Pure. */
import type { LiveToolProgress, SessionEvent } from '../../contracts/events.js';
import type { ToolCall } from '../../contracts/message.js';
import type { RequestKind, RequestState } from '../../contracts/requests.js';
import { oneLine } from './clean.js';
import type { Style } from './style.js';
import { bytes, duration } from './units.js';

export function toolCallText({ name, arguments: args }: ToolCall, style: Style): string {
  const shown = args.trim() === '{}' ? '' : oneLine(args, 100);
  return `→ ${oneLine(name, 64)} ${style.dim(shown)}`.trimEnd();
}

/** A call that waits until somebody answers it. */
export function waitingText({ key, until }: { key: string; until?: string | undefined }): string {
  const deadline = until === undefined ? '' : `, at most until ${oneLine(until, 40)}`;
  return `waits for an answer to call ${oneLine(key, 40)}${deadline}`;
}

/** A call that a person approves, or answers. */
export function requestText(event: {
  readonly kind?: RequestKind;
  readonly until?: string | undefined;
}): string {
  const deadline = event.until === undefined ? '' : `, at most until ${oneLine(event.until, 40)}`;
  return `${event.kind === 'question' ? 'asks a person' : "waits for a person's approval"}${deadline}`;
}

/** What became of it. */
export function decisionText(event: {
  readonly decision: RequestState;
  readonly by?: string | undefined;
  readonly reason?: string | undefined;
  readonly edited?: unknown;
  readonly granted?: unknown;
}): string {
  const by = event.by === undefined ? '' : ` by ${oneLine(event.by, 64)}`;
  const edited = event.edited === undefined ? '' : ' with other arguments';
  const before = event.granted === undefined ? '' : ' in advance';
  return `${event.decision}${before}${edited}${by}${event.reason ? `: ${oneLine(event.reason, 200)}` : ''}`;
}

/** How it is answered from another terminal. */
export function answerHint(event: { readonly key: string; readonly session?: string }): string {
  return `perdura answer ${oneLine(event.session ?? '<session>', 80)} ${oneLine(event.key, 40)} '<json>'`;
}

export function toolResultText(
  event: Extract<SessionEvent, { type: 'tool.completed' }>,
  style: Style,
): string {
  const { name, failure, ms, bytes: size, attempt, artifact } = event;
  const facts = [
    duration(ms),
    bytes(size),
    ...(attempt > 1 ? [`attempt ${attempt}`] : []),
    ...(artifact ? [`kept as ${artifact}`] : []),
  ].join(', ');
  const tool = oneLine(name, 64);
  if (!failure) return `${style.green('✓')} ${tool} ${style.dim(facts)}`;
  return `${style.red('✗')} ${tool} ${failure.type}: ${oneLine(failure.message, 160)} ${style.dim(facts)}`;
}

/** At most `width` characters: a line that wraps cannot be erased. */
export function toolProgressText(
  { name, message, fraction }: LiveToolProgress,
  width: number,
): string {
  const part =
    fraction === undefined ? '' : ` ${Math.round(Math.min(1, Math.max(0, fraction)) * 100)} %`;
  return oneLine(`… ${name}${part}: ${message}`, Math.max(10, width));
}
