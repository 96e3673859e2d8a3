/** What the offline model knows of the turn it is in, read from the request. Pure. */
import { record } from './seen-request.js';
import type { SeenCall, SeenRequest, SeenTool } from './seen-request.js';

/** A tool call of this turn with its result. */
export interface Done {
  readonly call: SeenCall;
  readonly result: string;
}

export interface Turn {
  readonly request: SeenRequest;
  /** What the user wants. */
  readonly question: string;
  /** Tools that may be called now. */
  readonly tools: readonly SeenTool[];
  /** Calls of this turn with their results, in order. */
  readonly done: readonly Done[];
}

export function readTurn(request: SeenRequest): Turn {
  const { messages } = request;
  const start = messages.findLastIndex((m) => m.role === 'user' && !isNoQuestion(m.text));
  const since = messages.slice(start + 1);
  const calls = new Map(since.flatMap((m) => m.calls.map((call) => [call.id, call])));
  return {
    request,
    question: said(messages[start]?.text ?? ''),
    tools: request.toolChoice === 'none' ? [] : request.tools,
    done: since.flatMap((m) => {
      const call = m.role === 'tool' ? calls.get(m.callId ?? '') : undefined;
      return call === undefined ? [] : [{ call, result: plainText(m.text) }];
    }),
  };
}

/** All that was said to the agent since it spoke last, in order: several messages may begin a turn. */
export function heard({ messages }: SeenRequest): string[] {
  const start = messages.findLastIndex((m) => m.role === 'user' && !isNoQuestion(m.text));
  const before = messages.findLastIndex((m, i) => i < start && m.role !== 'user');
  return messages
    .slice(before + 1, start + 1)
    .filter((m) => m.role === 'user' && !isNoQuestion(m.text))
    .map(({ text }) => said(text).replaceAll('(scripted offline model) ', ''));
}

/** What its sender wrote: without the lines that say from whom it is, and where an answer goes. */
function said(text: string): string {
  return text
    .replace(/^\[from [^\]]*\] /, '')
    .replace(/^\[(?:message|group|broadcast) [^\]]*\]\n/, '')
    .replace(/\n\[Your answer goes to the group\.[^\]]*\]$/, '');
}

/** The message that carries images of tool results is not the user's, nor is what a planner is told. */
function isNoQuestion(text: string): boolean {
  return /^\[(?:Images from the tool results above|planner\] )/.test(text);
}

/** A tool by its own name, whatever server it is of (`<server>__<tool>`). */
export function toolNamed(turn: Turn, ...names: readonly string[]): SeenTool | undefined {
  for (const name of names) {
    const found = turn.tools.find((t) => bareName(t.name) === name);
    if (found !== undefined) return found;
  }
  return undefined;
}

export function bareName(name: string): string {
  return name.slice(name.lastIndexOf('__') + 1).replace(/^_/, '');
}

/** An id that is the same whenever the same request is answered again. */
export function callId(turn: Turn, index: number): string {
  return `call_offline_${turn.request.messages.length}_${index}`;
}

/** The path that a call was made with. */
export function pathOf(written: string): string {
  try {
    const args = record(JSON.parse(written));
    const path = args.path ?? Object.values(args)[0];
    return typeof path === 'string' ? path : '';
  } catch {
    return '';
  }
}

/** Some servers put the text into JSON beside its plain form. */
function plainText(result: string): string {
  if (!result.startsWith('{')) return result;
  try {
    const { content } = record(JSON.parse(result));
    return typeof content === 'string' ? content : result;
  } catch {
    return result;
  }
}
