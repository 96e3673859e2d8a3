/** The model call of the peers: the same package and the same request as on the other sides. */
import OpenAI from 'openai';

const TOOLS = [
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

export const INSTRUCTIONS = 'You are a helpful assistant.';

/** Returns a function from messages (chat completions) to the assistant's message. */
export function createModel(baseURL, tools = TOOLS) {
  const client = new OpenAI({ baseURL, apiKey: 'bench', maxRetries: 0 });
  return async (messages) => {
    const stream = await client.chat.completions.create({
      model: 'bench',
      messages,
      tools,
      temperature: 0.7,
      max_tokens: 4096,
      stream: true,
      stream_options: { include_usage: true },
    });
    let content = '';
    const calls = [];
    for await (const { choices } of stream) {
      const delta = choices[0]?.delta;
      content += delta?.content ?? '';
      for (const { index, id, function: fn } of delta?.tool_calls ?? []) {
        calls[index] ??= { id: '', type: 'function', function: { name: '', arguments: '' } };
        calls[index].id ||= id ?? '';
        calls[index].function.name += fn?.name ?? '';
        calls[index].function.arguments += fn?.arguments ?? '';
      }
    }
    return calls.length > 0
      ? { role: 'assistant', content: content || null, tool_calls: calls }
      : { role: 'assistant', content };
  };
}

export function runTool({ function: { arguments: args } }) {
  const { a, b } = JSON.parse(args);
  return String(a + b);
}
