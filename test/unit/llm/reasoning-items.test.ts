/** Reasoning items of an answer: which are kept, and where they stand in the next request. */
import { describe, expect, it } from 'vitest';
import { ResponsesAssembler } from '../../../src/llm/responses.js';
import { responsesRequest } from '../../../src/llm/responses-request.js';
import type { AssistantMessage } from '../../../src/contracts/message.js';

const ORIGIN = 'api.openai.com gpt-5';
const reasoning = (id: string, encrypted_content: string | null = `secret of ${id}`) => ({
  type: 'reasoning',
  id,
  summary: [],
  encrypted_content,
});
const call = (id: string) => ({ type: 'function_call', call_id: id, name: id, arguments: '{}' });
const text = { type: 'message', role: 'assistant' };

/** The answer that these items of an output make. */
function answerOf(...output: object[]): AssistantMessage {
  const assembler = new ResponsesAssembler('gpt-5', {}, () => 0, ORIGIN);
  const push = (event: object) => assembler.push(JSON.stringify(event));
  for (const [output_index, item] of output.entries()) {
    if (item === text) push({ type: 'response.output_text.delta', delta: 'text' });
    push({ type: 'response.output_item.done', output_index, item });
  }
  push({ type: 'response.completed', response: { status: 'completed', model: 'gpt-5-2026' } });
  const { toolCalls, reasoning: _reasoning, ...rest } = assembler.finish()!;
  return { role: 'assistant', id: 'a', ...rest, ...(toolCalls.length > 0 ? { toolCalls } : {}) };
}

/** What the next request holds of the answer: ids of reasoning and calls, `text`. */
function sentOf(answer: AssistantMessage, origin: string | undefined = ORIGIN): unknown[] {
  const base = { model: 'gpt-5', instructions: '', tools: [], toolChoice: 'auto' } as const;
  const request = { ...base, temperature: null, maxTokens: 10, messages: [answer] };
  const { input } = responsesRequest(request, { ...(origin === undefined ? {} : { origin }) });
  return (input as { id?: string; call_id?: string }[]).map((i) => i.id ?? i.call_id ?? 'text');
}

describe('reasoning items', () => {
  it('items: before the text and the calls that they led to → sent back in these places', () => {
    const answer = answerOf(
      reasoning('r1'),
      text,
      reasoning('r2'),
      reasoning('r3'),
      call('c1'),
      call('c2'),
      reasoning('r4'),
      call('c3'),
    );
    expect(sentOf(answer)).toEqual(['r1', 'text', 'r2', 'r3', 'c1', 'c2', 'r4', 'c3']);
  });

  it('items: for another model or provider → left out', () => {
    const answer = answerOf(reasoning('r1'), call('c1'));
    expect(sentOf(answer, 'api.openai.com gpt-6')).toEqual(['c1']);
    expect(sentOf(answer)).toEqual(['r1', 'c1']);
  });

  it('items: that led to nothing, or without their content → not kept', () => {
    expect(answerOf(text, reasoning('r1'))).not.toHaveProperty('reasoningItems');
    expect(answerOf(reasoning('r1', null), text)).not.toHaveProperty('reasoningItems');
  });

  it('items: of more than 256 KiB → not kept', () => {
    const large = (bytes: number) => answerOf(reasoning('r1', 'x'.repeat(bytes)), text);
    expect(large(250 * 1024)).toHaveProperty('reasoningItems');
    expect(large(256 * 1024)).not.toHaveProperty('reasoningItems');
  });

  it('items: of calls that were cut off with the answer → not sent', () => {
    const { toolCalls: _cut, ...answer } = answerOf(text, reasoning('r1'), call('c1'));
    expect(sentOf(answer)).toEqual(['text']);
  });
});
