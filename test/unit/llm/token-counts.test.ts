/** What providers report as usage, the nonsense included. */
import { describe, expect, it } from 'vitest';
import { ChatAssembler } from '../../../src/llm/chat-completions.js';
import { ResponsesAssembler } from '../../../src/llm/responses.js';
import { tokenCounts } from '../../../src/llm/token-counts.js';
import { fc, test } from './property.js';

const right = { input: 10, output: 5, cached: 4, reasoning: 2 };
const NONSENSE: readonly [string, unknown][] = [
  ['beyond int4', 3e9],
  ['negative', -1],
  ['not a number', NaN],
  ['infinite', Infinity],
  ['text', '12'],
  ['null', null],
  ['missing', undefined],
  ['an object', {}],
];

describe('token counts', () => {
  it('tokens: as they should be → taken; fractions → rounded up', () => {
    expect(tokenCounts(right)).toEqual(right);
    expect(tokenCounts({ ...right, input: 12.5, output: 0.1 })).toMatchObject({
      input: 13,
      output: 1,
    });
  });

  it.each(NONSENSE)('tokens: input or output %s → no report, so it is estimated', (_, count) => {
    expect(tokenCounts({ ...right, input: count })).toBeUndefined();
    expect(tokenCounts({ ...right, output: count })).toBeUndefined();
  });

  it.each(NONSENSE)('tokens: a detail is %s → 0', (_, count) => {
    expect(tokenCounts({ ...right, cached: count, reasoning: count })).toEqual({
      ...right,
      cached: 0,
      reasoning: 0,
    });
  });

  it('tokens: more cached than input → all of the input', () => {
    expect(tokenCounts({ ...right, cached: 99, reasoning: 99 })).toEqual({
      ...right,
      cached: 10,
      reasoning: 5,
    });
  });

  const anything = fc.record({
    input: fc.anything(),
    output: fc.anything(),
    cached: fc.anything(),
    reasoning: fc.anything(),
  });
  test('tokens: anything → nothing, or whole int4 counts', anything, (reported) => {
    for (const count of Object.values(tokenCounts(reported) ?? {})) {
      expect(Number.isInteger(count) && count >= 0 && count < 2 ** 31).toBe(true);
    }
  });

  it.each(NONSENSE)(
    'assemblers: the usage of an answer has a count that is %s → no usage',
    (_, n) => {
      const chat = new ChatAssembler('m', {}, () => 1);
      const usage = { prompt_tokens: n, completion_tokens: 5 };
      chat.push(
        JSON.stringify({ choices: [{ delta: { content: 'a' }, finish_reason: 'stop' }], usage }),
      );
      expect(chat.finish()).not.toHaveProperty('usage');
      const responses = new ResponsesAssembler('m', {}, () => 1);
      const response = { status: 'completed', usage: { input_tokens: 3, output_tokens: n } };
      responses.push(JSON.stringify({ type: 'response.completed', response }));
      expect(responses.finish()).not.toHaveProperty('usage');
    },
  );
});
