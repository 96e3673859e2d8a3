/** The smallest JSON value that a schema lets through. Pure; for the offline model only. */
import { list, record } from './seen-request.js';
import type { Json } from './seen-request.js';

/** Deeper than this, optional parts are not followed: a schema may refer to itself. */
const MAX_DEPTH = 8;

const FORMATS: Readonly<Record<string, string>> = {
  date: '2026-01-01',
  'date-time': '2026-01-01T00:00:00Z',
  time: '00:00:00Z',
  email: 'offline@example.com',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
  ipv4: '127.0.0.1',
  hostname: 'example.com',
};

/**
 * An instance of `schema`: required properties only, first choice of every choice. `text`
 * is put where any string may stand. A `pattern` is not solved.
 */
export function instanceOf(
  schema: unknown,
  text: string,
  root: unknown = schema,
  depth = 0,
): unknown {
  const s = record(schema);
  if (typeof s.$ref === 'string' && depth < MAX_DEPTH) {
    return instanceOf(resolve(s.$ref, root), text, root, depth + 1);
  }
  if ('const' in s) return s.const;
  if (Array.isArray(s.enum)) return s.enum[0];
  if ('default' in s) return s.default;
  const choice = list(s.anyOf)[0] ?? list(s.oneOf)[0];
  if (choice !== undefined) return instanceOf(choice, text, root, depth + 1);
  const parts = list(s.allOf);
  if (parts.length > 0) return instanceOf(merged(s, parts, root), text, root, depth + 1);

  const type: unknown = Array.isArray(s.type) ? s.type[0] : s.type;
  switch (type ?? (s.properties === undefined ? 'string' : 'object')) {
    case 'object':
      return objectOf(s, text, root, depth);
    case 'array':
      return Array.from({ length: depth < MAX_DEPTH ? number(s.minItems, 0) : 0 }, (_, i) =>
        instanceOf(list(s.prefixItems)[i] ?? s.items ?? {}, text, root, depth + 1),
      );
    case 'integer':
    case 'number':
      return numberOf(s);
    case 'boolean':
      return false;
    case 'null':
      return null;
    default:
      return stringOf(s, text);
  }
}

function objectOf(s: Json, text: string, root: unknown, depth: number): Json {
  const properties = record(s.properties);
  const names = Array.isArray(s.required) ? s.required.map(String) : [];
  return Object.fromEntries(
    names.map((name) => [name, instanceOf(properties[name] ?? {}, text, root, depth + 1)]),
  );
}

function numberOf(s: Json): number {
  const step = number(s.multipleOf, s.type === 'integer' ? 1 : 0);
  const above = number(s.exclusiveMinimum, -Infinity);
  const below = number(s.exclusiveMaximum, Infinity);
  const low = Math.max(number(s.minimum, -Infinity), above);
  const high = Math.min(number(s.maximum, Infinity), below);
  const fits = (n: number): boolean => n >= low && n <= high && n > above && n < below;
  if (step > 0) {
    const from = low > 0 ? Math.ceil(low / step) : Math.floor(high / step);
    return [0, from, from + 1, from - 1].map((k) => k * step).find(fits) ?? 0;
  }
  return [0, low, high, (low + high) / 2, low + 1, high - 1].find(fits) ?? 0;
}

function stringOf(s: Json, text: string): string {
  const known = typeof s.format === 'string' ? FORMATS[s.format] : undefined;
  if (known !== undefined) return known;
  return text.slice(0, number(s.maxLength, text.length)).padEnd(number(s.minLength, 0), '.');
}

function merged(s: Json, parts: readonly Json[], root: unknown): Json {
  const all = [s, ...parts].map((p) =>
    typeof p.$ref === 'string' ? record(resolve(p.$ref, root)) : p,
  );
  return {
    ...(Object.assign({}, ...all) as Json),
    allOf: undefined,
    properties: Object.assign({}, ...all.map((p) => p.properties)) as Json,
    required: all.flatMap((p) => (Array.isArray(p.required) ? p.required.map(String) : [])),
  };
}

function resolve(ref: string, root: unknown): unknown {
  return ref
    .replace(/^#\/?/, '')
    .split('/')
    .filter((step) => step !== '')
    .reduce<unknown>(
      (at, step) => record(at)[step.replaceAll('~1', '/').replaceAll('~0', '~')],
      root,
    );
}

function number(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
