/**
 * The arguments of a tool call, from the model's text to what `execute` gets. Nothing in here
 * throws for what a model wrote: it is told what did not fit, in words it can act on.
 */
import { Validator, type OutputUnit, type Schema } from '@cfworker/json-schema';
import type { JsonSchema, Tool } from '../contracts/tool.js';
import { wellFormed } from '../contracts/message.js';
import { clipText, thrownMessage } from './text.js';

export type ArgumentCheck =
  | { readonly ok: true; readonly args: unknown }
  | {
      readonly ok: false;
      readonly failure: { readonly type: 'Tool.InvalidArguments'; readonly message: string };
    };

/** Longest message to the model, characters. */
const MAX_MESSAGE = 1_000;
/** Most lines of it. */
const MAX_PROBLEMS = 8;
/** Deepest arguments. Recursive code, ours and the tools', must survive them. */
const MAX_DEPTH = 128;
/** Above this many characters only the first problem is looked for: each one costs memory. */
const ALL_PROBLEMS_BELOW = 64 * 1024;

interface Validators {
  readonly first: Validator;
  readonly all: Validator;
}
const validators = new WeakMap<Tool, Validators>();

/** Parses `text` (empty text is `{}`), validates it, and lets zod have the last word where the tool was declared with it. */
export function checkArguments(tool: Tool, text: string): ArgumentCheck {
  let value: unknown;
  try {
    value = text.trim() === '' ? {} : JSON.parse(text);
  } catch (error) {
    return wrong(tool, `are not valid JSON: ${thrownMessage(error)}. Send one JSON object.`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return wrong(tool, `must be one JSON object, but are ${kindOf(value)}.`);
  }
  const shape = shapeProblem(value);
  if (shape !== undefined) return wrong(tool, shape);
  try {
    const { first, all } = validatorsOf(tool);
    const { valid, errors } = (text.length < ALL_PROBLEMS_BELOW ? all : first).validate(value);
    if (!valid) return wrong(tool, `do not fit its schema:\n${listed(errors.flatMap(problemOf))}`);
  } catch (error) {
    // A RangeError of a schema that refers to itself, or a pattern that is no regular expression.
    return wrong(tool, `cannot be checked against its schema: ${thrownMessage(error)}`);
  }
  if (!tool.parse) return { ok: true, args: value };
  try {
    return { ok: true, args: tool.parse(value) };
  } catch (error) {
    return wrong(tool, `do not fit its schema:\n${listed(zodProblems(error))}`);
  }
}

/** What is wrong with arguments that a person has written for a tool of this schema. */
export function argumentsProblem(
  name: string,
  parameters: JsonSchema,
  text: string,
): string | undefined {
  // As of a server: whoever wrote the schema is not here, so its patterns do not run.
  const source = { kind: 'mcp', server: '' } as const;
  const checked = checkArguments({ name, parameters, source } as Tool, text);
  return checked.ok ? undefined : checked.failure.message;
}

/** What of `value` does not fit `schema`, a line for each; `undefined` when all does. */
export function valueProblem(schema: JsonSchema, value: unknown): string | undefined {
  const deep = typeof value === 'object' && value !== null ? shapeProblem(value) : undefined;
  if (deep !== undefined) return `- (top): values ${deep}`;
  try {
    const copy = structuredClone(schema) as Schema;
    dropPatterns(copy);
    const { valid, errors } = new Validator(copy, '2020-12', false).validate(value);
    return valid ? undefined : listed(errors.flatMap(problemOf));
  } catch (error) {
    return `- (top): cannot be checked: ${thrownMessage(error)}`;
  }
}

/**
 * What is wrong with arguments of which some are not known yet, at these places (JSON Pointers);
 * those have `null`. Parsing with zod is left for when all are known.
 */
export function partlyKnownProblems(
  tool: Tool,
  value: unknown,
  unknown: readonly string[],
): readonly string[] {
  const { errors } = validatorsOf(tool).all.validate(value);
  return errors
    .filter(({ keyword, instanceLocation }) => {
      const place = placeOf(instanceLocation);
      if (unknown.some((at) => place === at || place.startsWith(`${at}/`))) return false;
      // What is said of something around it may be so because of it.
      return !(JUDGES.has(keyword) && unknown.some((at) => at.startsWith(`${place}/`)));
    })
    .flatMap(problemOf);
}

/** Keywords that judge a value by what is in it. */
const JUDGES = new Set([
  'anyOf',
  'oneOf',
  'not',
  'contains',
  'uniqueItems',
  'const',
  'enum',
  'if',
  'then',
  'else',
]);

function validatorsOf(tool: Tool): Validators {
  const known = validators.get(tool);
  if (known) return known;
  // A copy: the validator writes into the schema, and the tool's own may be frozen or shared.
  const schema = structuredClone(tool.parameters) as Schema;
  if (tool.source.kind === 'mcp') dropPatterns(schema);
  const made = {
    first: new Validator(schema, '2020-12', true),
    all: new Validator(schema, '2020-12', false),
  };
  validators.set(tool, made);
  return made;
}

/**
 * A server's regular expressions do not run in our process, where `(a+)+$` would stop every
 * session; the server checks its arguments itself. Without `patternProperties` nobody can
 * say what is an additional property, so that goes as well.
 */
function dropPatterns(node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  const record = node as Record<string, unknown>;
  if (typeof record['pattern'] === 'string') delete record['pattern'];
  if (typeof record['patternProperties'] === 'object' && !Array.isArray(node)) {
    delete record['patternProperties'];
    delete record['additionalProperties'];
    delete record['unevaluatedProperties'];
  }
  for (const value of Object.values(record)) dropPatterns(value);
}

/** Looks at every key without recursion: depth is what it guards against. */
function shapeProblem(value: object): string | undefined {
  let level: object[] = [value];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return `are nested more than ${MAX_DEPTH} levels deep.`;
    const next: object[] = [];
    for (const node of level) {
      if (Object.hasOwn(node, '__proto__')) return 'have a key "__proto__", which is refused.';
      for (const child of Object.values(node)) {
        if (typeof child === 'object' && child !== null) next.push(child as object);
      }
    }
    level = next;
  }
  return undefined;
}

/** Keywords that only say that something below them failed, which says so itself. */
const WRAPPERS = new Set([
  '$ref', '$recursiveRef', 'allOf', 'properties', 'patternProperties', 'items', 'prefixItems',
  'additionalItems', 'unevaluatedItems', 'dependentSchemas', 'if', 'then', 'else', 'false',
]); // prettier-ignore

function problemOf({ keyword, instanceLocation, error }: OutputUnit): string[] {
  if (WRAPPERS.has(keyword)) return [];
  const path = pathOf(instanceLocation);
  const type = /^Instance type "(.*?)" is invalid\. Expected "(.*)"\.$/.exec(error);
  if (type) return [`${path}: expected ${type[2]!.replaceAll('"', '')}, got ${type[1]}.`];
  const unknown = /^Property "(.*)" does not match (?:additional|unevaluated) properties/s.exec(
    error,
  );
  if (unknown) return [`${path}: has a property "${unknown[1]}" that the tool does not take.`];
  return [`${path}: ${error.replace(/^Instance /, '')}`];
}

function zodProblems(error: unknown): string[] {
  const issues: unknown =
    typeof error === 'object' && error !== null && 'issues' in error ? error.issues : undefined;
  if (!Array.isArray(issues)) return [thrownMessage(error)];
  return issues.map((issue: { path?: PropertyKey[]; message?: string }) => {
    const path = (issue.path ?? []).map((step) => `/${String(step)}`).join('');
    return `${path || '(top)'}: ${issue.message ?? 'is not valid'}`;
  });
}

function listed(problems: readonly string[]): string {
  const lines = [...new Set(problems)];
  const shown = lines.slice(0, MAX_PROBLEMS).map((line) => `- ${clipText(line, 240)}`);
  if (lines.length > MAX_PROBLEMS) shown.push(`- and ${lines.length - MAX_PROBLEMS} more`);
  return shown.length > 0 ? shown.join('\n') : '- (top): does not fit.';
}

function pathOf(location: string): string {
  return placeOf(location) || '(top)';
}

function placeOf(location: string): string {
  try {
    return decodeURIComponent(location.replace(/^#/, ''));
  } catch {
    return location;
  }
}

function wrong(tool: Tool, what: string): ArgumentCheck {
  const message = wellFormed(`The arguments of "${tool.name}" ${what}`);
  return {
    ok: false,
    failure: { type: 'Tool.InvalidArguments', message: clipText(message, MAX_MESSAGE) },
  };
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}
