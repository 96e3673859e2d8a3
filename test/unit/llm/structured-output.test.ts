/** Whether an answer is the JSON that was asked for. */
import { describe, expect, it } from 'vitest';
import {
  MAX_ERRORS,
  checkStructuredOutput,
  refusedRefs,
} from '../../../src/llm/structured-output.js';

const schema = Object.freeze({
  type: 'object',
  properties: {
    name: { type: 'string' },
    tags: { type: 'array', items: { $ref: '#/$defs/tag' } },
  },
  required: ['name'],
  additionalProperties: false,
  $defs: { tag: { type: 'string', minLength: 2 } },
});

describe('structured output', () => {
  it('an answer that fits → its value, also with a frozen schema, twice', () => {
    const value = { name: 'x', tags: ['ab'] };
    for (let i = 0; i < 2; i++) {
      expect(checkStructuredOutput(JSON.stringify(value), schema)).toEqual({ ok: true, value });
    }
  });

  it.each([
    ['a missing property', '{}', /name/],
    ['a wrong type', '{"name": 1}', /^\/name: .*number/],
    ['a wrong item', '{"name": "x", "tags": ["ab", "c"]}', /^\/tags\/1: /],
    ['a property too many', '{"name": "x", "more": 1}', /more/],
    ['no JSON', 'Sure! Here it is', /not JSON/],
    ['a code fence', '```json\n{"name":"x"}\n```', /Leave out the code fence/],
    ['nothing', '', /not JSON/],
  ])('%s → a readable error', (_, text, message) => {
    const checked = checkStructuredOutput(text, schema);
    expect(checked.ok).toBe(false);
    if (!checked.ok) expect(checked.errors.join('\n')).toMatch(message);
  });

  it('many errors → a bounded list', () => {
    const numbers = { type: 'array', items: { type: 'number' } };
    const checked = checkStructuredOutput(JSON.stringify(Array(50).fill('x')), numbers);
    expect(checked).toMatchObject({ ok: false });
    if (!checked.ok) expect(checked.errors.length).toBeLessThanOrEqual(MAX_ERRORS);
  });

  it.each(['https://example.com/s.json', 'file:///etc/passwd', 'other.json#/x'])(
    '$ref to %s → refused, never followed',
    ($ref) => {
      const bad = { properties: { a: { items: [{ $ref }] } } };
      expect(refusedRefs(bad)).toHaveLength(1);
      expect(checkStructuredOutput('{}', bad)).toMatchObject({ ok: false });
    },
  );

  it('a $ref in data, or a property of that name → no reference', () => {
    const fine = {
      properties: { $ref: { type: 'string' }, b: { const: { $ref: 'http://x/' } } },
      $defs: { self: { $ref: '#' } },
    };
    expect(refusedRefs(fine)).toEqual([]);
  });

  it('an answer nested beyond reason → an error, no crash', () => {
    const deep = '['.repeat(20_000) + ']'.repeat(20_000);
    const nested = { $ref: '#/$defs/n', $defs: { n: { items: { $ref: '#/$defs/n' } } } };
    expect(() => checkStructuredOutput(deep, nested)).not.toThrow();
  });
});
