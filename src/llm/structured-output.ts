/**
 * Whether an answer is the JSON that the agent's `responseFormat` asks for, and what is wrong
 * with it in words that the model can act on. No request to a model is made here, and no
 * schema is ever fetched: a `$ref` to a URL or a file is refused.
 */
import { Validator } from '@cfworker/json-schema';
import type { JsonSchema } from '../contracts/tool.js';

/** Most errors named in one repair message; further ones rarely help the model. */
export const MAX_ERRORS = 10;

/** Errors of these only repeat that something below them is wrong. */
const STRUCTURAL = new Set([
  'properties',
  'patternProperties',
  'additionalProperties',
  'items',
  'prefixItems',
  'allOf',
  '$ref',
  'dependentSchemas',
]);

/** Their values are data, not schemas: a `$ref` in them means nothing. */
const DATA = new Set(['const', 'enum', 'default', 'examples']);

/** Keyed by the schema object itself, so that an agent's validator is made once. */
const validators = new WeakMap<JsonSchema, Validator>();

export type StructuredOutput =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly errors: readonly string[] };

/** Checks the text of an answer. Never throws for what a model wrote; see {@link refusedRefs}. */
export function checkStructuredOutput(text: string, schema: JsonSchema): StructuredOutput {
  const refused = refusedRefs(schema);
  if (refused.length > 0) return { ok: false, errors: refused };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const fence = text.trimStart().startsWith('```') ? ' Leave out the code fence.' : '';
    return {
      ok: false,
      errors: [`The answer is not JSON (${reason}). Answer with the JSON value alone.${fence}`],
    };
  }
  try {
    const { valid, errors } = validatorOf(schema).validate(value);
    if (valid) return { ok: true, value };
    const leaves = errors.filter((e) => !STRUCTURAL.has(e.keyword));
    const named = (leaves.length > 0 ? leaves : errors).map(
      (e) => `${e.instanceLocation.replace(/^#/, '') || 'The value'}: ${e.error}`,
    );
    return { ok: false, errors: [...new Set(named)].slice(0, MAX_ERRORS) };
  } catch (error) {
    return { ok: false, errors: [`The schema cannot be used: ${String(error)}`] };
  }
}

/** References of a schema that point outside of it, as errors; empty when there are none. */
export function refusedRefs(schema: JsonSchema): string[] {
  const refused: string[] = [];
  const open: unknown[] = [schema];
  const seen = new Set<unknown>();
  while (open.length > 0) {
    const node = open.pop();
    if (typeof node !== 'object' || node === null || seen.has(node)) continue;
    seen.add(node);
    for (const [key, value] of Object.entries(node)) {
      const isRef = key === '$ref' || key === '$dynamicRef' || key === '$recursiveRef';
      if (isRef && typeof value === 'string') {
        if (!value.startsWith('#')) {
          refused.push(`The schema refers to "${value}": only references within it ("#…") work.`);
        }
      } else if (!DATA.has(key)) {
        open.push(value);
      }
    }
  }
  return refused;
}

function validatorOf(schema: JsonSchema): Validator {
  let validator = validators.get(schema);
  if (validator === undefined) {
    // A copy: the validator writes on the schema, which may be frozen.
    validator = new Validator(structuredClone(schema), '2020-12', false);
    validators.set(schema, validator);
  }
  return validator;
}
