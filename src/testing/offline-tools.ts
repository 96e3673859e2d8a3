/** How the offline model uses tools that it is told to use, and how it does sums. Pure. */
import type { ScriptedCall } from './scripted-response.js';
import { list, record } from './seen-request.js';
import type { SeenTool } from './seen-request.js';
import { bareName, callId } from './offline-turn.js';
import type { Turn } from './offline-turn.js';

const COMMAND =
  /\b(?:use|call|run|invoke)\s+(?:the\s+)?(?:tools?\s+)?[`"']?([A-Za-z0-9_-]+)[`"']?/gi;

/**
 * "use the tool X with {json}", "call X {…} and call Y": the calls, in order. Text behind the
 * name that is no JSON object goes along as it is when it looks like one, so that a person
 * can see what malformed arguments do.
 */
export function commandedCalls(turn: Turn): ScriptedCall[] {
  const calls: ScriptedCall[] = [];
  for (const match of turn.question.matchAll(COMMAND)) {
    const name = match[1]!;
    const tool =
      turn.tools.find((t) => t.name === name) ??
      turn.tools.find((t) => bareName(t.name).toLowerCase() === name.toLowerCase());
    if (tool === undefined) continue;
    const rest = turn.question.slice(match.index + match[0].length);
    const args = /^\s*(?:tool\b)?\s*(?:with|using|on|:)?[^{}]{0,40}?(?=\{)/i.exec(rest);
    calls.push({
      id: callId(turn, calls.length),
      name: tool.name,
      arguments: args === null ? '{}' : objectText(rest.slice(args[0].length)),
    });
  }
  return calls;
}

/** The tool that a command names and that is not offered. */
export function unknownTool(turn: Turn): string | undefined {
  const match = /\b(?:use|call|run|invoke)\s+(?:the\s+)?tool\s+[`"']?([\w-]+)/i.exec(turn.question);
  return match?.[1];
}

/** From `{` to its closing `}`, strings minded; to the end when it never closes. */
export function objectText(text: string): string {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (inString) {
      if (c === '\\') i++;
      else if (c === '"') inString = false;
    } else if (c === '"') inString = true;
    else if (c === '{') depth++;
    else if (c === '}' && --depth === 0) return text.slice(0, i + 1);
  }
  return text;
}

const SUM =
  /(-?\d+(?:\.\d+)?)\s*(\*|×|x|times|\+|plus|-|−|minus|\/|÷|divided by)\s*(-?\d+(?:\.\d+)?)/i;

export interface Sum {
  readonly a: number;
  readonly b: number;
  readonly op: '+' | '-' | '*' | '/';
  readonly value: number;
}

/** "what is 17*23": the sum, when the question has one. */
export function sumIn(question: string): Sum | undefined {
  const match = SUM.exec(question);
  if (
    match === null ||
    !/\b(?:what|how much|calculate|compute|sum|add)\b|=|^[\d\s.+*/x×÷−-]+\??$/i.test(question)
  ) {
    return undefined;
  }
  const [, left, sign, right] = match;
  const [a, b] = [Number(left), Number(right)];
  const s = sign!.toLowerCase();
  if (s === '+' || s === 'plus') return { a, b, op: '+', value: a + b };
  if (s === '-' || s === '−' || s === 'minus') return { a, b, op: '-', value: a - b };
  if (s === '/' || s === '÷' || s === 'divided by') return { a, b, op: '/', value: a / b };
  return { a, b, op: '*', value: a * b };
}

/** A call of a tool that can do the sum: one that takes an expression, or adds two numbers. */
export function sumCall(turn: Turn, { a, b, op }: Sum): ScriptedCall | undefined {
  for (const tool of turn.tools) {
    const args = sumArguments(tool, a, b, op);
    if (args !== undefined) return { id: callId(turn, 0), name: tool.name, arguments: args };
  }
  return undefined;
}

function sumArguments(tool: SeenTool, a: number, b: number, op: Sum['op']): object | undefined {
  const name = bareName(tool.name);
  const properties = record(tool.parameters.properties);
  const typed = (type: string): string[] =>
    Object.keys(properties).filter((key) => {
      const t = record(properties[key]).type;
      return t === type || (type === 'number' && t === 'integer');
    });
  if (/calc|math|arith|eval/i.test(name)) {
    const [first] = typed('string');
    if (first !== undefined) return { [first]: `${a} ${op} ${b}` };
  }
  const words = { '+': /add|sum|plus/i, '-': /sub|minus/i, '*': /mul|times|product/i, '/': /div/i };
  const [x, y] = typed('number');
  return words[op].test(name) && x !== undefined && y !== undefined
    ? { [x]: a, [y]: b }
    : undefined;
}

/** What came back, for people: of each result at most so many characters. */
export function describeResults(turn: Turn, most = 600): string {
  return turn.done
    .map(({ call, result }) => {
      // What another offline model has said is marked as a whole, once.
      const said = result.replaceAll('(scripted offline model) ', '');
      const shown =
        said.length > most ? `${said.slice(0, most)}… (${said.length} characters)` : said;
      return `The tool ${call.name} answered: ${shown}`;
    })
    .join('\n\n');
}

/** What can be called, for an answer that lists it. */
export function toolList(tools: readonly SeenTool[]): string {
  const names = list(tools).map((t) => String(t.name));
  if (names.length === 0) return 'no tools';
  const more = names.length > 12 ? ` and ${names.length - 12} more` : '';
  return `${names.slice(0, 12).join(', ')}${more}`;
}
