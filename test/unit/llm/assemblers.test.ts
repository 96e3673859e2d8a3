/** Answers as the odder endpoints stream them, and the reader of their events. */
import { describe, expect, it } from 'vitest';
import { fc, test } from './property.js';
import { ChatAssembler } from '../../../src/llm/chat-completions.js';
import { readServerSentEvents } from '../../../src/llm/sse.js';

interface Delta {
  content?: string;
  reasoning?: string;
  tool_calls?: object[];
}
const free = () => 0;

function chat(...events: (object | string)[]) {
  const assembler = new ChatAssembler('m', {}, free);
  for (const e of events) assembler.push(typeof e === 'string' ? e : JSON.stringify(e));
  return assembler.finish();
}
const piece = (delta: Delta, finish_reason: string | null = null) => ({
  choices: [{ delta, finish_reason }],
});
const fn = (args: string, name?: string) => ({ function: { arguments: args, name } });

describe('chat completions', () => {
  it.each([
    [
      'index 0 for every call',
      [
        { index: 0, id: 'a' },
        { index: 0, id: 'b' },
      ],
    ],
    ['no index', [{ id: 'a' }, { id: 'b' }]],
    [
      'an index that begins at 1',
      [
        { index: 1, id: 'a' },
        { index: 2, id: 'b' },
      ],
    ],
  ])('%s → two calls', (_, [first, second]) => {
    const answer = chat(
      piece({ tool_calls: [{ ...first, ...fn('{"x"', 'one') }] }),
      piece({ tool_calls: [{ index: (first as { index?: number }).index, ...fn(':1}') }] }),
      piece({ tool_calls: [{ ...second, ...fn('{}', 'two') }] }),
      piece({}, 'stop'),
      '[DONE]',
    );
    expect(answer).toMatchObject({
      finish: 'tools',
      toolCalls: [
        { id: 'a', name: 'one', arguments: '{"x":1}' },
        { id: 'b', name: 'two', arguments: '{}' },
      ],
    });
  });

  it('interleaved calls → each its own arguments', () => {
    const answer = chat(
      piece({ tool_calls: [{ index: 0, id: 'a', ...fn('1', 'one') }] }),
      piece({ tool_calls: [{ index: 1, id: 'b', ...fn('2', 'two') }] }),
      piece({
        tool_calls: [
          { index: 0, ...fn('1') },
          { index: 1, ...fn('2') },
        ],
      }),
      piece({}, 'tool_calls'),
    );
    expect(answer?.toolCalls.map((c) => c.arguments)).toEqual(['11', '22']);
  });

  it('a call without an id → one is made up', () => {
    const answer = chat(piece({ tool_calls: [{ index: 0, ...fn('{}', 'one') }] }, 'tool_calls'));
    expect(answer?.toolCalls[0]?.id).toMatch(/^call_/);
  });

  it('`reasoning`, usage in every piece, cached tokens by DeepSeek → taken', () => {
    const usage = { prompt_tokens: 9, completion_tokens: 1, prompt_cache_hit_tokens: 4 };
    const answer = chat(
      { ...piece({ reasoning: 'hm' }), usage },
      { ...piece({ content: 'ok' }, 'stop'), usage: { ...usage, completion_tokens: 2 } },
    );
    expect(answer).toMatchObject({ text: 'ok', reasoning: 'hm', model: 'm' });
    expect(answer?.usage).toMatchObject({ input: 9, output: 2, cached: 4 });
  });

  it('neither finish reason nor [DONE] → no answer; one of them → an answer', () => {
    expect(chat(piece({ content: 'a' }))).toBeUndefined();
    expect(chat(piece({ content: 'a' }, 'stop'))).toMatchObject({ text: 'a' });
    expect(chat(piece({ content: 'a' }), '[DONE]')).toMatchObject({ text: 'a', finish: 'stop' });
  });

  it('an error within the stream → thrown', () => {
    expect(() => chat({ error: { code: 502, message: 'upstream' } })).toThrow();
  });
});

describe('server-sent events', () => {
  const read = async (bytes: Uint8Array, cuts: number[]): Promise<string[]> => {
    const at = [0, ...cuts.map((c) => c % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
    async function* body() {
      for (let i = 1; i < at.length; i++) yield bytes.subarray(at[i - 1], at[i]);
    }
    const events: string[] = [];
    await readServerSentEvents(
      body(),
      () => undefined,
      (data) => events.push(data),
    );
    return events;
  };

  it('comments, other fields, CRLF, several lines, no last newline → the data', async () => {
    const text = ': hi\r\n\r\nevent: x\ndata:1\n\nid: 3\ndata: 2\ndata: 3\r\n\r\ndata: é';
    expect(await read(new TextEncoder().encode(text), [])).toEqual(['1', '2\n3', 'é']);
  });

  it('cut anywhere, also within a character → the same events', async () => {
    const events = ['{"a":"日本"}', '🦊', 'x'];
    const bytes = new TextEncoder().encode(events.map((e) => `data: ${e}\n\n`).join(''));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat()), async (cuts) => {
        expect(await read(bytes, cuts)).toEqual(events);
      }),
    );
  });

  test('any text as one event of chat completions → the same text', fc.string(), (text) => {
    expect(chat(piece({ content: text }, 'stop'))?.text).toBe(text);
  });
});
