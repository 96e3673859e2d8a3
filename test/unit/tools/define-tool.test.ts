import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tool } from '../../../src/contracts/define-tool.js';
import { schemaProblem } from '../../../src/contracts/json-schema.js';

const base = { name: 'echo', description: 'Echoes.', execute: () => 'ok' };

describe('tool()', () => {
  it('tool: nothing but name, description and execute → once, activity, one minute, one attempt', () => {
    expect(tool(base)).toMatchObject({
      name: 'echo',
      effect: 'once',
      run: 'activity',
      timeoutMs: 60_000,
      retry: { maximumAttempts: 1 },
      highRisk: false,
      source: { kind: 'code' },
      parameters: { type: 'object', properties: {} },
    });
  });

  it('tool: effect read and run local → three attempts, five seconds', () => {
    expect(tool({ ...base, effect: 'read', run: 'local' })).toMatchObject({
      timeoutMs: 5_000,
      retry: { maximumAttempts: 3, initialIntervalMs: 500 },
    });
  });

  it('tool: effect once with retry → still one attempt', () => {
    expect(tool({ ...base, retry: { maximumAttempts: 9 } }).retry.maximumAttempts).toBe(1);
    expect(tool({ ...base, effect: 'keyed', retry: { maximumAttempts: 9 } }).retry).toEqual({
      maximumAttempts: 9,
      initialIntervalMs: 500,
    });
  });

  it('tool: zod parameters → JSON Schema of what the model writes, and parse applies defaults', () => {
    const made = tool({
      ...base,
      parameters: z.object({ city: z.string(), days: z.int().default(3) }),
      execute: ({ city, days }) => `${city.toUpperCase()} ${days.toFixed()}`,
    });
    expect(made.parameters).toMatchObject({
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer', default: 3 } },
      required: ['city'],
    });
    expect(made.parameters).not.toHaveProperty('$schema');
    expect(made.parse?.({ city: 'Rome' })).toEqual({ city: 'Rome', days: 3 });
  });

  it.each([
    ['a name with a dot', { name: 'a.b' }, /"a\.b" is not a valid tool name\. Use 1 to 64/],
    ['no name', { name: '' }, /Use 1 to 64/],
    ['no description', { description: ' ' }, /"echo" has no description/],
    ['a timeout of 0', { timeoutMs: 0 }, /"echo" has an invalid timeoutMs: 0/],
    ['an unknown effect', { effect: 'maybe' as 'read' }, /Use one of read, idempotent/],
    ['an unknown run', { run: 'there' as 'local' }, /Use one of local, activity/],
    ['half an attempt', { effect: 'read' as const, retry: { maximumAttempts: 0.5 } }, /0\.5/],
    ['parameters that are no object', { parameters: { type: 'string' } }, /"type": "object"/],
    ['a zod 3 schema', { parameters: { _def: {} } }, /zod 3/],
  ])('tool: %s → refused with what, where and how to correct it', (_, change, message) => {
    expect(() => tool({ ...base, ...change })).toThrow(message);
  });

  it('tool: zod type that JSON has not → refused with a way out', () => {
    expect(() => tool({ ...base, parameters: z.object({ at: z.date() }) })).toThrow(
      /"echo" cannot be converted to JSON Schema/,
    );
  });
});

describe('schemaProblem', () => {
  const withRef = (ref: string) => ({ type: 'object', properties: { a: { $ref: ref } } });

  it.each(['file:///etc/passwd', 'https://example.com/s.json', 'other.json#/a', '//host/x'])(
    'S18 schema: $ref to %s → refused, not followed',
    (ref) => {
      expect(schemaProblem(withRef(ref))).toMatch(/Only references into the schema itself/);
    },
  );

  it('S18 schema: $ref into itself → accepted, also a recursive one', () => {
    expect(
      schemaProblem({
        type: 'object',
        $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } } },
        properties: { list: { $ref: '#/$defs/node' }, all: { $ref: '#' } },
      }),
    ).toBeUndefined();
  });

  it('S18 schema: $ref to nothing → refused', () => {
    expect(schemaProblem(withRef('#/$defs/nowhere'))).toMatch(/does not exist/);
  });

  it('S18 schema: a property named $ref, a default with $ref → no references', () => {
    expect(
      schemaProblem({
        type: 'object',
        properties: { $ref: { type: 'string' }, b: { default: { $ref: 'file:///x' } } },
      }),
    ).toBeUndefined();
  });

  it('S18 schema: references that expand to 2^30 subschemas → refused at once', () => {
    const $defs: Record<string, unknown> = { d0: { type: 'string' } };
    for (let i = 1; i <= 30; i++) {
      const $ref = `#/$defs/d${i - 1}`;
      $defs[`d${i}`] = { allOf: [{ $ref }, { $ref }] };
    }
    expect(
      schemaProblem({ type: 'object', $defs, properties: { a: { $ref: '#/$defs/d30' } } }),
    ).toMatch(/too large/);
  });

  it('S18 schema: 10,000 levels deep → refused, not a stack overflow', () => {
    let deep: object = { type: 'string' };
    for (let i = 0; i < 10_000; i++) deep = { items: deep };
    expect(schemaProblem({ type: 'object', properties: { deep } })).toMatch(/levels deep/);
  });
});
