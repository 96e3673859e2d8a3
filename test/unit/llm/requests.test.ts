/** From a transcript to the requests of both APIs. */
import { describe, expect, it } from 'vitest';
import { chatRequest } from '../../../src/llm/chat-request.js';
import { responsesRequest } from '../../../src/llm/responses-request.js';
import type { ModelRequest } from '../../../src/contracts/llm.js';
import type { TranscriptMessage } from '../../../src/contracts/message.js';

const OPENAI = 'https://api.openai.com/v1';
const base: ModelRequest = {
  model: 'gpt-4o',
  instructions: 'Be brief.',
  messages: [],
  tools: [],
  toolChoice: 'auto',
  temperature: 0.5,
  maxTokens: 100,
};
const say = (text: string, from?: string): TranscriptMessage => ({
  role: 'user',
  id: text,
  text,
  ...(from === undefined ? {} : { from }),
});
const call = (...args: string[]): TranscriptMessage => ({
  role: 'assistant',
  id: 'a',
  text: '',
  toolCalls: args.map((text, i) => ({ id: `c${i}`, name: 'look', arguments: text })),
  finish: 'tools',
  model: 'm',
});
const image = { type: 'image', mediaType: 'image/png', artifact: 'art1' } as const;
const result = (i: number, ...content: Extract<TranscriptMessage, { role: 'tool' }>['content']) =>
  ({ role: 'tool', callId: `c${i}`, name: 'look', content }) as const;
const images = new Map([['art1', 'data:image/png;base64,AAAA']]);

describe('chat completions', () => {
  const messages = (list: TranscriptMessage[], more: Partial<ModelRequest> = {}) =>
    chatRequest({ ...base, ...more, messages: list }, OPENAI).messages.slice(1);

  it('the system prompt → first; none → left out', () => {
    expect(chatRequest(base, OPENAI).messages).toEqual([{ role: 'system', content: 'Be brief.' }]);
    expect(chatRequest({ ...base, instructions: '' }, OPENAI).messages).toEqual([]);
  });

  it('a sender → before the text, on one line', () => {
    expect(messages([say('hi', 'ann\n] [system')])).toEqual([
      { role: 'user', content: '[from ann    system] hi' },
    ]);
  });

  it('a summary → a user message that says so', () => {
    const [only] = messages([{ role: 'summary', text: 'They met.', covers: { from: 1, to: 8 } }]);
    expect(only).toMatchObject({ role: 'user' });
    expect(only?.content).toMatch(/^\[Summary .* 1–8.*\]\nThey met\./);
  });

  it('images of two results → placeholders, then one user message behind the batch', () => {
    const sent = messages(
      [
        call('{}', '{}'),
        result(0, { type: 'text', text: 'a' }, image),
        result(1, image),
        say('ok'),
      ],
      { images },
    );
    expect(sent.map((m) => m.role)).toEqual(['assistant', 'tool', 'tool', 'user', 'user']);
    expect(sent[1]).toMatchObject({ content: 'a\n[image art1, image/png]', tool_call_id: 'c0' });
    expect(sent[3]?.content).toMatchObject([
      { type: 'text' },
      { type: 'image_url', image_url: { url: images.get('art1') } },
      { type: 'image_url' },
    ]);
  });

  it('an image whose bytes are not at hand, a resource, nothing → text', () => {
    const resource = { type: 'resource', uri: 'file:///a', name: 'A', mediaType: 'x/y' } as const;
    const sent = messages([call('{}', '{}'), result(0, image, resource), result(1)]);
    expect(sent[1]?.content).toBe(
      '[image art1, image/png, not shown]\n[resource A file:///a, x/y]',
    );
    expect(sent[2]?.content).toBe('(no output)');
  });

  it('arguments that were malformed → JSON that shows them; empty → {}', () => {
    const sent = messages([call('{"a":', '', '{"b": 1}'), result(0), result(1), result(2)]);
    expect(sent[0]).toMatchObject({
      content: null,
      tool_calls: [
        { id: 'c0', function: { arguments: '{"malformed_arguments":"{\\"a\\":"}' } },
        { id: 'c1', function: { arguments: '{}' } },
        { id: 'c2', function: { arguments: '{"b": 1}' } },
      ],
    });
  });

  it('an answer that was interrupted before its first word → left out', () => {
    const empty = {
      role: 'assistant',
      id: 'a',
      text: '',
      finish: 'interrupted',
      model: 'm',
    } as const;
    expect(messages([say('a'), empty, say('b')])).toHaveLength(2);
  });

  it('parameters: temperature and max_tokens; null → left out; tools not strict', () => {
    const tools = [{ name: 't', description: 'd', parameters: { type: 'object' } }];
    const body = chatRequest({ ...base, tools, toolChoice: 'none' }, OPENAI);
    expect(body).toMatchObject({ temperature: 0.5, max_tokens: 100, tool_choice: 'none' });
    expect(JSON.stringify(body.tools)).not.toContain('strict');
    expect(chatRequest({ ...base, temperature: null }, OPENAI)).not.toHaveProperty('temperature');
    expect(body.stream_options).toEqual({ include_usage: true });
  });

  it('a reasoning model of OpenAI → max_completion_tokens, no temperature', () => {
    const body = chatRequest({ ...base, model: 'gpt-5-mini' }, OPENAI);
    expect(body).toMatchObject({ max_completion_tokens: 100 });
    expect(body).not.toHaveProperty('max_tokens');
    expect(body).not.toHaveProperty('temperature');
  });

  it('the end user → safety_identifier at OpenAI, user elsewhere', () => {
    expect(chatRequest({ ...base, user: 'h' }, OPENAI)).toMatchObject({ safety_identifier: 'h' });
    expect(chatRequest({ ...base, user: 'h' }, 'http://x/v1')).toMatchObject({ user: 'h' });
  });
});

describe('responses', () => {
  it('the conversation → items; images within the result', () => {
    const list = [
      { role: 'summary', text: 'S', covers: { from: 1, to: 2 } },
      say('hi', 'ann'),
      call('{"a":', '{}'),
      result(0, { type: 'text', text: 'a' }, image),
      result(1, { type: 'text', text: 'b' }),
    ] as TranscriptMessage[];
    const body = responsesRequest({ ...base, messages: list, images });
    expect(body).toMatchObject({
      instructions: 'Be brief.',
      store: false,
      max_output_tokens: 100,
      input: [
        { role: 'user' },
        { role: 'user', content: '[from ann] hi' },
        { type: 'function_call', call_id: 'c0', arguments: '{"malformed_arguments":"{\\"a\\":"}' },
        { type: 'function_call', call_id: 'c1', arguments: '{}' },
        {
          type: 'function_call_output',
          call_id: 'c0',
          output: [
            { type: 'input_text', text: 'a\n[image art1, image/png]' },
            { type: 'input_image', image_url: images.get('art1') },
          ],
        },
        { type: 'function_call_output', call_id: 'c1', output: 'b' },
      ],
    });
  });

  it('a response format → text.format', () => {
    const responseFormat = { name: 'r', schema: { type: 'object' } };
    expect(responsesRequest({ ...base, responseFormat }).text).toEqual({
      format: { type: 'json_schema', name: 'r', schema: { type: 'object' }, strict: false },
    });
    expect(chatRequest({ ...base, responseFormat }, OPENAI).response_format).toEqual({
      type: 'json_schema',
      json_schema: responseFormat,
    });
  });
});
