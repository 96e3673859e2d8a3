import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestBody } from '../../../src/llm/request-body.js';

describe('request body', () => {
  it('anything → the JSON of the whole, the first time and again', () => {
    const record = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true });
    fc.assert(
      fc.property(fc.string(), record, fc.array(record), (model, rest, entries) => {
        const { messages: _, ...others }: Record<string, unknown> = { ...rest, model };
        for (let i = 0; i < 2; i++) {
          expect(JSON.parse(requestBody(others, 'messages', entries).toString())).toEqual(
            JSON.parse(JSON.stringify({ ...others, messages: entries })),
          );
        }
      }),
    );
  });

  it('lists that grow from the same entries in different ways → each its own', () => {
    const entries = Array.from({ length: 6 }, (_, n) => ({ n, text: 'ä'.repeat(n) }));
    const lists = fc.array(fc.array(fc.constantFrom(...entries), { minLength: 1, maxLength: 9 }), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(lists, (all) => {
        const bodies = all.map((list) => requestBody({ a: 1 }, 'list', list));
        // Those that were made before have not changed.
        for (const [i, list] of all.entries()) {
          expect(JSON.parse(bodies[i]!.toString())).toEqual({ a: 1, list });
        }
      }),
    );
  });
});
