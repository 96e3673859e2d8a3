/** The JSON that the offline model makes up fits the schema that it was asked for. */
import { describe, expect, it } from 'vitest';
import { checkStructuredOutput } from '../../../src/llm/structured-output.js';
import { instanceOf } from '../../../src/testing/offline-json.js';

const object = (properties: object, more: object = {}) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  ...more,
});

describe('offline JSON', () => {
  it.each([
    [
      'strings',
      object({ a: { type: 'string', minLength: 40 }, b: { maxLength: 3, type: 'string' } }),
    ],
    [
      'formats',
      object({ d: { type: 'string', format: 'date' }, u: { type: 'string', format: 'uuid' } }),
    ],
    [
      'numbers',
      object({
        a: { type: 'integer', exclusiveMinimum: 5 },
        b: { type: 'number', minimum: 0.2, maximum: 0.4 },
      }),
    ],
    [
      'negative numbers',
      object({ a: { type: 'integer', maximum: -3 }, b: { type: 'number', exclusiveMaximum: -1 } }),
    ],
    ['multiples', object({ a: { type: 'integer', multipleOf: 7, minimum: 10 } })],
    ['enumerations', object({ a: { enum: ['x', 'y'] }, b: { const: 3 }, c: { type: 'boolean' } })],
    ['arrays', object({ a: { type: 'array', minItems: 2, items: { type: 'number' } } })],
    ['choices', object({ a: { anyOf: [{ type: 'null' }, { type: 'string' }] } })],
    ['nullable', object({ a: { type: ['string', 'null'] } })],
    ['all of', { allOf: [object({ a: { type: 'string' } }), object({ b: { type: 'number' } })] }],
    [
      'references',
      object({ a: { $ref: '#/$defs/n' } }, { $defs: { n: object({ x: { type: 'integer' } }) } }),
    ],
    [
      'a tree',
      object(
        { t: { $ref: '#/$defs/t' } },
        { $defs: { t: { type: 'object', properties: { next: { $ref: '#/$defs/t' } } } } },
      ),
    ],
    ['only optional properties', { type: 'object', properties: { a: { type: 'string' } } }],
  ])('%s → valid', (_, schema) => {
    const text = JSON.stringify(instanceOf(schema, 'some text'));
    expect(checkStructuredOutput(text, schema)).toMatchObject({ ok: true });
  });
});
