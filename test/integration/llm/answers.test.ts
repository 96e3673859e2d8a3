/** What a provider may answer, over real HTTP, with both APIs. */
import { describe, expect, it } from 'vitest';
import { APIS, useModel } from './harness.js';

const harness = useModel();
const add = {
  name: 'add',
  description: 'Adds',
  parameters: { type: 'object', properties: { a: { type: 'number' } } },
};

describe.each(APIS)('%s', (api) => {
  it('text: streamed in pieces → joined, in order, with the model that the provider names', async () => {
    const text = 'The quick brown fox jumps over the lazy dog, twice: 🦊🦊.';
    harness.model.enqueue({ text, chunkSize: 7, model: 'test-model-2026' });
    const answer = await harness.call(api);
    expect(answer).toMatchObject({ text, reasoning: '', toolCalls: [], finish: 'stop' });
    expect(answer.model).toBe('test-model-2026');
    expect(answer.deltas.length).toBeGreaterThan(3);
    expect(answer.deltas.map(([, piece]) => piece).join('')).toBe(text);
  });

  it('reasoning: kept apart from the text', async () => {
    harness.model.enqueue({ text: 'Four.', reasoning: 'Two and two make four.' });
    const answer = await harness.call(api);
    expect(answer).toMatchObject({ text: 'Four.', reasoning: 'Two and two make four.' });
    const reasoning = answer.deltas.filter(([channel]) => channel === 'reasoning');
    expect(reasoning.map(([, piece]) => piece).join('')).toBe('Two and two make four.');
  });

  it('parallel tool calls: assembled by index, with their ids', async () => {
    harness.model.enqueue({
      text: 'Adding.',
      toolCalls: [
        { id: 'call_a', name: 'add', arguments: { a: 1, note: 'x'.repeat(50) } },
        { id: 'call_b', name: 'add', arguments: { a: 2 } },
      ],
      chunkSize: 5,
    });
    const answer = await harness.call(api, { tools: [add] });
    expect(answer).toMatchObject({ text: 'Adding.', finish: 'tools' });
    expect(answer.toolCalls).toEqual([
      { id: 'call_a', name: 'add', arguments: JSON.stringify({ a: 1, note: 'x'.repeat(50) }) },
      { id: 'call_b', name: 'add', arguments: '{"a":2}' },
    ]);
  });

  it('malformed tool arguments: passed on as they were written', async () => {
    const written = '{"a": 1, "b": [2,';
    harness.model.enqueue({ toolCalls: [{ name: 'add', arguments: written }], chunkSize: 4 });
    const answer = await harness.call(api, { tools: [add] });
    expect(answer.toolCalls).toMatchObject([{ name: 'add', arguments: written }]);
    expect(answer.toolCalls[0]?.id).not.toBe('');
  });

  it('usage: with cached and reasoning tokens → counted and priced', async () => {
    const usage = { input: 1000, output: 50, cached: 400, reasoning: 20 };
    harness.model.enqueue({ text: 'ok', usage });
    const answer = await harness.call(api);
    // 600 at 1, 400 at 0.5, 50 at 10 USD per million.
    expect(answer.usage).toEqual({ ...usage, costMicros: 600 + 200 + 500 });
  });

  it('usage: not reported → absent', async () => {
    harness.model.enqueue({ text: 'ok', usage: null });
    expect(await harness.call(api)).not.toHaveProperty('usage');
  });

  it('length: cut by the limit of tokens → length', async () => {
    harness.model.enqueue({ text: 'and then', finish: 'length' });
    expect(await harness.call(api)).toMatchObject({ text: 'and then', finish: 'length' });
  });

  it('refusal → its text, filtered', async () => {
    harness.model.enqueue({ text: 'I cannot help with that.', refusal: true });
    expect(await harness.call(api)).toMatchObject({
      text: 'I cannot help with that.',
      finish: 'filtered',
    });
  });

  it('content filter in the answer → filtered', async () => {
    harness.model.enqueue({ text: 'As for', finish: 'content_filter' });
    expect(await harness.call(api)).toMatchObject({ finish: 'filtered' });
  });

  it('calls one after another: the connection is kept', async () => {
    harness.model.enqueue('one', 'two', 'three');
    await harness.call(api);
    const opened = harness.model.connections;
    await harness.call(api);
    await harness.call(api);
    expect(harness.model.connections).toBe(opened);
    expect(harness.model.closedEarly).toEqual([]);
  });
});
