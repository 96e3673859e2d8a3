import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tool } from '../../../src/contracts/define-tool.js';
import type { JsonSchema, Tool } from '../../../src/contracts/tool.js';
import { checkArguments } from '../../../src/tools/argument-check.js';

const withSchema = (parameters: JsonSchema): Tool =>
  tool({ name: 'act', description: 'Acts.', parameters, execute: () => '' });
const weather = withSchema({
  type: 'object',
  properties: {
    city: { type: 'string' },
    days: { type: 'integer', minimum: 1 },
    unit: { enum: ['C', 'F'] },
    where: { anyOf: [{ type: 'string' }, { type: 'null' }] },
  },
  required: ['city'],
  additionalProperties: false,
});

function refusal(of: Tool, text: string): string {
  const checked = checkArguments(of, text);
  if (checked.ok) throw new Error(`accepted: ${JSON.stringify(checked.args)}`);
  expect(checked.failure.type).toBe('Tool.InvalidArguments');
  return checked.failure.message;
}

describe('checkArguments', () => {
  it('F15 arguments: that fit → handed on; empty text → {}', () => {
    expect(checkArguments(weather, '{"city":"Rome","days":2}')).toEqual({
      ok: true,
      args: { city: 'Rome', days: 2 },
    });
    expect(checkArguments(withSchema({ type: 'object' }), ' \n')).toEqual({ ok: true, args: {} });
  });

  it.each([
    ['{"city":', /not valid JSON/],
    ['{"city":"Rome"} trailing', /not valid JSON/],
    ['"Rome"', /must be one JSON object, but are a string/],
    ['[1]', /but are an array/],
    ['null', /but are null/],
    ['{"days":0}', /\(top\): does not have required property "city"/],
    ['{"city":7}', /\/city: expected string, got number/],
    ['{"city":"R","days":1.5}', /\/days: expected integer, got number/],
    ['{"city":"R","days":0}', /\/days: 0 is less than 1/],
    ['{"city":"R","unit":"K"}', /\/unit: does not match any of \["C","F"\]/],
    ['{"city":"R","town":1}', /property "town" that the tool does not take/],
    ['{"city":"R","where":5}', /\/where: .*\n.*\/where: expected string, got number/],
  ])('F15 arguments: %s → the model is told what does not fit', (text, message) => {
    expect(refusal(weather, text)).toMatch(message);
  });

  it('F15 arguments: several problems → all told at once, so that one repair is enough', () => {
    const said = refusal(weather, '{"days":"x","unit":"K"}');
    expect(said).toContain('city');
    expect(said).toContain('/days');
    expect(said).toContain('/unit');
  });

  it('F15 arguments: a __proto__ key at any depth → refused', () => {
    const loose = withSchema({ type: 'object' });
    expect(refusal(loose, '{"__proto__":{"admin":true}}')).toMatch(/"__proto__", which is refused/);
    expect(refusal(loose, '{"a":[{"b":{"__proto__":1}}]}')).toMatch(/__proto__/);
  });

  it('F15 arguments: 100,000 levels deep → refused, not a stack overflow', () => {
    const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect(refusal(withSchema({ type: 'object' }), deep)).toMatch(/levels deep/);
  });

  it('F19 arguments: 3 MB that fit → accepted; 300,000 bad items → a short message', () => {
    const list = withSchema({
      type: 'object',
      properties: { list: { type: 'array', items: { type: 'string' } } },
    });
    expect(checkArguments(list, JSON.stringify({ list: ['x'.repeat(3_000_000)] })).ok).toBe(true);
    const bad = JSON.stringify({ list: Array.from({ length: 300_000 }, (_, i) => i) });
    expect(refusal(list, bad).length).toBeLessThanOrEqual(1_000);
  });

  it('F15 arguments: zod has the last word → defaults and transforms, its issues by path', () => {
    const parsed = tool({
      name: 'act',
      description: 'Acts.',
      parameters: z.object({
        n: z.number().default(1),
        even: z.number().refine((n) => n % 2 === 0, 'must be even'),
      }),
      execute: () => '',
    });
    expect(checkArguments(parsed, '{"even":2}')).toEqual({ ok: true, args: { n: 1, even: 2 } });
    expect(refusal(parsed, '{"even":3}')).toMatch(/\/even: must be even/);
  });

  it('S18 arguments: a frozen schema → validated, and not written to', () => {
    const parameters = Object.freeze({ type: 'object', properties: Object.freeze({}) });
    expect(checkArguments(withSchema(parameters), '{}').ok).toBe(true);
    expect(Reflect.ownKeys(parameters)).toEqual(['type', 'properties']);
  });

  it('S9 arguments: an exponential pattern of an MCP server → does not run here', () => {
    const foreign: Tool = {
      ...withSchema({
        type: 'object',
        properties: { s: { type: 'string', pattern: '^(a+)+$' } },
        patternProperties: { '^(b+)+$': { type: 'number' } },
        additionalProperties: false,
      }),
      source: { kind: 'mcp', server: 's' },
    };
    const text = JSON.stringify({ s: `${'a'.repeat(40)}!`, [`${'b'.repeat(40)}!`]: 1 });
    expect(checkArguments(foreign, text).ok).toBe(true);
  });

  it('F15 arguments: any text → an answer, never an exception, and at most 1 KB to the model', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.json({ maxDepth: 4 }),
      fc.dictionary(fc.string({ maxLength: 400 }), fc.jsonValue()).map((o) => JSON.stringify(o)),
    );
    fc.assert(
      fc.property(anything, (text) => {
        const checked = checkArguments(weather, text);
        if (checked.ok) {
          expect(checked.args).toHaveProperty('city');
        } else {
          expect(checked.failure.message.length).toBeLessThanOrEqual(1_000);
          expect(checked.failure.message).not.toMatch(/\u0000|\p{Surrogate}/u);
        }
      }),
    );
  });
});
