/**
 * How the offline model plays the role that its instructions give it: what they tell it to call
 * before it answers, it calls; what they tell it to plan, it plans. Pure, and without memory.
 *
 *     Before you answer, call `check_quotes`, then call `send_message` with {"to":"ann"}.
 *     Plan `catalogue` and `reader` together; if that fails, `librarian`.
 */
import { instanceOf } from './offline-json.js';
import { objectText } from './offline-tools.js';
import { callId, heard } from './offline-turn.js';
import type { Turn } from './offline-turn.js';
import type { ScriptedCall } from './scripted-response.js';
import type { SeenTool } from './seen-request.js';

const BEFORE = /\bBefore (?:you|your(?: final)?) answer\b/;
/** What is to be done when a step has failed. */
export const OTHERWISE =
  /\b(?:if (?:that|it|this|one|any of them) fails|otherwise|or else)\b[,:]?/i;
/** Longest text that is handed to a tool, characters. */
const MAX_TEXT = 8_000;

/** The next call that the instructions want before the answer; nothing when all are made. */
export function instructedCall(turn: Turn): ScriptedCall | undefined {
  const [, wanted] = turn.request.system.split(BEFORE);
  if (wanted === undefined) return undefined;
  // To the end of the paragraph: arguments may have a full stop in them.
  const paragraph = wanted.split(/\n\s*\n/)[0]!;
  const made = new Set(turn.done.map(({ call }) => call.name));
  const next = namedIn(paragraph, turn.tools).find(({ tool }) => !made.has(tool.name));
  return next && callOf(turn, next, 0);
}

/**
 * The steps that a planner's instructions name for the first plan, or for the one after a failure.
 * Each gets what was asked.
 */
export function instructedSteps(turn: Turn, when: 'first' | 'failed'): readonly ScriptedCall[] {
  const own = turn.request.system.split(/^# How you work$/m)[0]!;
  const plan = /\bPlan\b[^]*/.exec(own)?.[0] ?? '';
  const [first = '', instead = ''] = plan.split(OTHERWISE);
  const named = namedIn(when === 'first' ? first : instead, turn.tools);
  return named.map((each, i) => callOf(turn, each, i));
}

interface Named {
  readonly tool: SeenTool;
  /** JSON of arguments that are given with the name. */
  readonly given: string;
}

/** Tools in backticks, in their order, each once. */
function namedIn(text: string, tools: readonly SeenTool[]): readonly Named[] {
  const found = new Map<string, Named>();
  for (const match of text.matchAll(/`([\w-]+)`(?:\s+with\s+(?=\{))?/g)) {
    const tool = tools.find(({ name }) => name === match[1]);
    if (!tool || found.has(tool.name)) continue;
    const rest = text.slice(match.index + match[0].length);
    found.set(tool.name, { tool, given: rest.startsWith('{') ? objectText(rest) : '{}' });
  }
  return [...found.values()];
}

/** What is not given is made by the schema; a text is what was heard in this turn. */
function callOf(turn: Turn, { tool, given }: Named, index: number): ScriptedCall {
  const text = heard(turn.request).join('\n\n').slice(0, MAX_TEXT);
  const made = instanceOf(tool.parameters, text) as object;
  return {
    id: callId(turn, index),
    name: tool.name,
    arguments: { ...made, ...(JSON.parse(given) as object) },
  };
}
