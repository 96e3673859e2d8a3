import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { requestBody } from '../../../activities/llm/request-body.js';

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
});
