/** LangChain's messages as the model's API has them, and back. */
import { AIMessage } from '@langchain/core/messages';

export function toWire(message) {
  switch (message.getType()) {
    case 'system':
      return { role: 'system', content: message.content };
    case 'human':
      return { role: 'user', content: message.content };
    case 'tool':
      return { role: 'tool', tool_call_id: message.tool_call_id, content: message.content };
    default:
      return {
        role: 'assistant',
        content: message.content || null,
        ...(message.tool_calls?.length > 0 && {
          tool_calls: message.tool_calls.map(({ id, name, args }) => ({
            id,
            type: 'function',
            function: { name, arguments: JSON.stringify(args) },
          })),
        }),
      };
  }
}

export function fromWire({ content, tool_calls: calls = [] }) {
  return new AIMessage({
    content: content ?? '',
    tool_calls: calls.map(({ id, function: { name, arguments: args } }) => ({
      id,
      name,
      args: JSON.parse(args),
      type: 'tool_call',
    })),
  });
}
