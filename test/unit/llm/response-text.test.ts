/** Ill-formed text in every string of a model's answer, through both APIs. */
import { describe, expect, it } from 'vitest';
import { APIS } from '../../integration/llm/harness.js';
import { ChatAssembler } from '../../../src/llm/chat-completions.js';
import { ResponsesAssembler } from '../../../src/llm/responses.js';
import { streamCall, type Assembler } from '../../../src/llm/stream-call.js';

const ILL_FORMED = /\u0000|\p{Surrogate}/u;
const ODD: readonly [string, string][] = [
  ['a lone high surrogate', 'cut \ud83d'],
  ['a lone low surrogate', '\ude00 cut'],
  ['NUL', 'a\u0000b'],
  ['U+FFFF', 'a\uffffb'],
  ['1 MB of combining marks', 'e' + '\u0301'.repeat(512 * 1024)],
];

/** An answer with `text` in every field. */
function eventsOf(api: (typeof APIS)[number], text: string): object[] {
  if (api === 'chat') {
    const call = { index: 0, id: text, function: { name: text, arguments: text } };
    const delta = { content: text, reasoning: text, tool_calls: [call] };
    return [{ model: text, choices: [{ delta, finish_reason: 'tool_calls' }] }];
  }
  const call = { type: 'function_call', call_id: text, name: text, arguments: text };
  return [
    { type: 'response.reasoning_text.delta', delta: text },
    { type: 'response.output_text.delta', delta: text },
    { type: 'response.output_item.done', output_index: 0, item: call },
    { type: 'response.completed', response: { model: text, status: 'completed' } },
  ];
}

function answerOf(assembler: Assembler, events: readonly object[]) {
  const body = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
  const headers = { 'content-type': 'text/event-stream' };
  return streamCall(
    () => Promise.resolve(new Response(body, { headers })),
    assembler,
    { signal: new AbortController().signal, stallTimeoutMs: 1_000 },
    { baseUrl: 'http://localhost/v1', model: 'm', secrets: [] },
  );
}

describe.each(APIS)('%s', (api) => {
  const assembler = () =>
    api === 'chat' ? new ChatAssembler('m', {}, () => 0) : new ResponsesAssembler('m', {}, () => 0);

  it.each(ODD)('answer: %s in every field → well-formed, names bounded', async (_, text) => {
    const answer = await answerOf(assembler(), eventsOf(api, text));
    const [call] = answer.toolCalls;
    for (const each of [answer.text, answer.reasoning, call!.arguments]) {
      expect(each).toHaveLength(text.length);
      expect(!ILL_FORMED.test(each)).toBe(true);
    }
    for (const each of [answer.model, call!.name, call!.id]) {
      expect(!ILL_FORMED.test(each)).toBe(true);
      expect(each.length).toBeLessThanOrEqual(256);
    }
  });

  it('answer: two calls with ids that are the same once they are well-formed → told apart', async () => {
    const events = eventsOf(api, 'a\ud83d');
    const second = eventsOf(api, 'a\ud83e');
    const all =
      api === 'chat'
        ? chatPair(events[0]!, second[0]!)
        : [...events.slice(0, 3), ...renumbered(second)];
    const { toolCalls } = await answerOf(assembler(), all);
    expect(toolCalls).toHaveLength(2);
    expect(toolCalls[0]!.id).not.toBe(toolCalls[1]!.id);
  });
});

function chatPair(one: object, two: object): object[] {
  const text = JSON.stringify(two).replace('"index":0', '"index":1');
  return [one, JSON.parse(text) as object];
}

function renumbered(events: readonly object[]): object[] {
  return events.map((event) => ('output_index' in event ? { ...event, output_index: 1 } : event));
}
