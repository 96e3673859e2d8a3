/** Activities of the baseline: the model call streams, as ours does, and heartbeats. */
import { Context } from '@temporalio/activity';
import OpenAI from 'openai';
import type { AssistantMessage, ChatMessage } from './messages.js';

const client = new OpenAI({ baseURL: process.env.BENCH_MODEL_URL, apiKey: 'bench', maxRetries: 0 });

const TOOLS: OpenAI.ChatCompletionTool[] = [
  {
    type: 'function',
    function: {
      name: 'add',
      description: 'Adds two numbers.',
      parameters: {
        type: 'object',
        properties: { a: { type: 'number' }, b: { type: 'number' } },
        required: ['a', 'b'],
      },
    },
  },
];

export async function callModel(messages: ChatMessage[]): Promise<AssistantMessage> {
  const context = Context.current();
  const stream = await client.chat.completions.create(
    {
      model: 'bench',
      messages,
      tools: TOOLS,
      temperature: 0.7,
      max_tokens: 4096,
      stream: true,
      stream_options: { include_usage: true },
    },
    { signal: context.cancellationSignal },
  );
  let content = '';
  const calls: NonNullable<AssistantMessage['tool_calls']> = [];
  for await (const { choices } of stream) {
    context.heartbeat();
    const delta = choices[0]?.delta;
    content += delta?.content ?? '';
    for (const { index, id, function: fn } of delta?.tool_calls ?? []) {
      const call = (calls[index] ??= {
        id: '',
        type: 'function',
        function: { name: '', arguments: '' },
      });
      call.id ||= id ?? '';
      call.function.name += fn?.name ?? '';
      call.function.arguments += fn?.arguments ?? '';
    }
  }
  return calls.length > 0
    ? { role: 'assistant', content: content || null, tool_calls: calls }
    : { role: 'assistant', content };
}

export function callTool(name: string, args: string): Promise<string> {
  if (name !== 'add') return Promise.resolve(`There is no tool ${name}.`);
  const { a, b } = JSON.parse(args) as { a: number; b: number };
  return Promise.resolve(String(a + b));
}
