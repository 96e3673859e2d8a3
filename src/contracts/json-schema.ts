/**
 * What a JSON Schema of tool arguments may be, before anybody validates with it. Pure; never
 * fetches anything, never imports a validator. Schemas of MCP servers are foreign text, so
 * this is also where a schema that was made to do harm ends.
 */
import { wellFormed } from './message.js';
import type { JsonSchema } from './tool.js';

/** Deepest nesting of a schema. */
const MAX_DEPTH = 64;
/** Subschemas after every `$ref` is expanded: 30 lines can stand for 2^30 of them. */
const MAX_EXPANDED = 100_000;
/** Keywords whose value is data: a `$ref` in there is only a string. */
const DATA_KEYWORDS = new Set(['const', 'enum', 'default', 'examples']);
/** Below these the keys are names, not keywords. */
const NAMES = /\/(?:properties|patternProperties|dependentSchemas|\$defs|definitions)$/;
const REF_KEYWORDS = ['$ref', '$dynamicRef', '$recursiveRef'] as const;

/** Why `schema` cannot describe the arguments of a tool, as a sentence; undefined when it can. */
export function schemaProblem(schema: unknown): string | undefined {
  if (!isRecord(schema)) return 'The schema is not a JSON object.';
  if (schema['type'] !== 'object') {
    return 'The schema must describe an object. Add "type": "object" at its top.';
  }
  try {
    const size = expandedSize(schema, schema, '', 0, new Map());
    return size > MAX_EXPANDED
      ? `The schema is too large once its references are expanded (over ${MAX_EXPANDED} subschemas).`
      : undefined;
  } catch (error) {
    if (error instanceof SchemaProblem) return error.message;
    throw error;
  }
}

/** The schema of a tool without arguments. */
export const NO_ARGUMENTS: JsonSchema = { type: 'object', properties: {} };

class SchemaProblem extends Error {}

/** Subschemas below `node`, references expanded. `known` holds finished nodes; 1 while at work, since a recursive schema is as deep as its data. */
function expandedSize(
  node: unknown,
  root: object,
  path: string,
  depth: number,
  known: Map<object, number>,
): number {
  if (typeof node !== 'object' || node === null) return 0;
  const before = known.get(node);
  if (before !== undefined) return before;
  if (depth > MAX_DEPTH) {
    throw new SchemaProblem(`The schema is nested more than ${MAX_DEPTH} levels deep.`);
  }
  known.set(node, 1);
  let size = 1;
  for (const [key, value] of Object.entries(node)) {
    if (key === '__proto__')
      throw new SchemaProblem(`The schema has a "__proto__" key at ${path}/.`);
    if (DATA_KEYWORDS.has(key) && !NAMES.test(path)) {
      if (deeperThan(value, MAX_DEPTH)) {
        throw new SchemaProblem(`The schema has data nested more than ${MAX_DEPTH} levels deep.`);
      }
      continue;
    }
    size += expandedSize(value, root, `${path}/${key}`, depth + 1, known);
  }
  for (const keyword of REF_KEYWORDS) {
    const ref: unknown = Array.isArray(node) ? undefined : (node as JsonSchema)[keyword];
    if (typeof ref !== 'string') continue;
    size += expandedSize(refTarget(ref, root, `${path}/${keyword}`), root, ref, depth + 1, known);
  }
  known.set(node, size);
  return size;
}

function refTarget(ref: string, root: object, path: string): unknown {
  if (!ref.startsWith('#')) {
    throw new SchemaProblem(
      `The schema refers to "${ref.slice(0, 200)}" at ${path}. Only references into the schema itself ("#/…") are followed.`,
    );
  }
  // An anchor ("#name") is found by the validator; it costs no more than the node it names.
  if (ref !== '#' && !ref.startsWith('#/')) return undefined;
  let target: unknown = root;
  for (const token of ref.split('/').slice(1)) {
    const key = decodePointer(token);
    if (typeof target !== 'object' || target === null || !Object.hasOwn(target, key)) {
      throw new SchemaProblem(
        `The schema refers to "${ref.slice(0, 200)}" at ${path}, which does not exist.`,
      );
    }
    target = (target as Record<string, unknown>)[key];
  }
  return target;
}

function decodePointer(token: string): string {
  let text = token;
  try {
    text = decodeURIComponent(token);
  } catch {
    // A stray "%" stands for itself.
  }
  return text.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** Without recursion: depth is what it guards against. */
function deeperThan(value: unknown, most: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > most) return true;
    level = level.flatMap((node) =>
      typeof node === 'object' && node !== null ? (Object.values(node) as unknown[]) : [],
    );
  }
  return false;
}

/**
 * `value` with every string in it, keys included, well-formed; the same object where it is so
 * already. Recursive: for what {@link schemaProblem} has let through.
 */
export function wellFormedJson<T>(value: T): T {
  if (typeof value === 'string') return wellFormed(value) as T;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map(wellFormedJson);
    return items.every((item, i) => item === value[i]) ? value : (items as T);
  }
  const members = Object.entries(value).map(
    ([key, member]) => [wellFormed(key), wellFormedJson(member as unknown)] as const,
  );
  const same = members.every(
    ([key, member]) =>
      Object.hasOwn(value, key) && (value as Record<string, unknown>)[key] === member,
  );
  return same ? value : (Object.fromEntries(members) as T);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
