/**
 * What a server says that its tool yields, as bare structure. Only planners read it, and no pin
 * covers it: so none of the server's words, which could give orders to a model, are kept of it.
 */
import type { JsonSchema } from '../contracts/tool.js';

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const TYPES = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);
const MAX_DEPTH = 6;
const MAX_PROPERTIES = 64;

/** Types, names of properties and which are required; `undefined` where nothing of that is said. */
export function outputShape(schema: unknown, depth = 0): JsonSchema | undefined {
  if (typeof schema !== 'object' || schema === null || depth > MAX_DEPTH) return undefined;
  const { type, properties, items, required } = schema as Record<string, unknown>;
  const types = (Array.isArray(type) ? type : [type]).filter(
    (each): each is string => typeof each === 'string' && TYPES.has(each),
  );
  const members = Object.entries(record(properties))
    .filter(([name]) => NAME.test(name) && name !== '__proto__')
    .slice(0, MAX_PROPERTIES)
    .map(([name, member]) => [name, outputShape(member, depth + 1) ?? {}] as const);
  const item = outputShape(items, depth + 1);
  const names = members.map(([name]) => name);
  const needed = Array.isArray(required) ? names.filter((name) => required.includes(name)) : [];
  const shape = {
    ...(types.length === 0 ? {} : { type: types.length === 1 ? types[0] : types }),
    ...(members.length === 0 ? {} : { properties: Object.fromEntries(members) }),
    ...(item === undefined ? {} : { items: item }),
    ...(needed.length === 0 ? {} : { required: needed }),
  };
  return Object.keys(shape).length === 0 ? undefined : shape;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
