/** A model call as a request of chat completions. Pure; the answer is `chat-completions.ts`. */
import type OpenAI from 'openai';
import type { ModelRequest } from '../../src/contracts/llm.js';
import type { ToolMessage, TranscriptMessage } from '../../src/contracts/message.js';
import { hostOf } from './model-errors.js';
import { isOpenAIReasoningModel } from '../../src/contracts/model-traits.js';
import { callArguments, imagesOf, summaryText, toolText, userText } from './wire-text.js';
import type { WireImage } from './wire-text.js';

type Message = OpenAI.ChatCompletionMessageParam;

/** The body of the request. Tools are never `strict`: that would need schemas of a smaller language. */
export function chatRequest(
  request: ModelRequest,
  baseUrl: string,
): OpenAI.ChatCompletionCreateParamsStreaming {
  const reasoning = isOpenAIReasoningModel(request.model);
  return {
    model: request.model,
    messages: chatMessages(request),
    stream: true,
    stream_options: { include_usage: true },
    ...(reasoning
      ? { max_completion_tokens: request.maxTokens }
      : { max_tokens: request.maxTokens }),
    ...(reasoning || request.temperature === null ? {} : { temperature: request.temperature }),
    ...(request.tools.length === 0
      ? {}
      : {
          tools: request.tools.map(({ name, description, parameters }) => ({
            type: 'function' as const,
            function: { name, description, parameters: { ...parameters } },
          })),
          tool_choice: request.toolChoice,
        }),
    ...(request.responseFormat === undefined
      ? {}
      : {
          response_format: {
            type: 'json_schema' as const,
            json_schema: {
              name: request.responseFormat.name,
              schema: { ...request.responseFormat.schema },
            },
          },
        }),
    ...endUser(request.user, baseUrl),
  };
}

/** OpenAI has given the old `user` a new name; elsewhere only the old one is known. */
function endUser(user: string | undefined, baseUrl: string): { user?: string } | object {
  if (user === undefined) return {};
  return hostOf(baseUrl) === 'api.openai.com' ? { safety_identifier: user } : { user };
}

function chatMessages(request: ModelRequest): Message[] {
  const messages: Message[] = [];
  if (request.instructions !== '') {
    messages.push({ role: 'system', content: request.instructions });
  }
  // A tool message holds text only, so its images follow the last result of the batch: in
  // between, they would tear results from the calls that they answer.
  let images: WireImage[] = [];
  const flush = (): void => {
    if (images.length > 0) messages.push(imageMessage(images));
    images = [];
  };
  for (const message of request.messages) {
    if (message.role === 'tool') {
      messages.push(
        message.content.some(({ type }) => type === 'image')
          ? toolMessage(message, request.images)
          : kept(message, () => toolMessage(message, undefined)),
      );
      images.push(...imagesOf(message, request.images));
      continue;
    }
    flush();
    // An answer that was interrupted before its first word: some endpoints refuse it empty.
    if (message.role === 'assistant' && message.text === '' && !message.toolCalls?.length) continue;
    messages.push(kept(message, () => plainMessage(message)));
  }
  flush();
  return messages;
}

/**
 * A message in its wire form. The transcript's messages are the same objects from call to
 * call, and a long conversation should not be put into words anew each time.
 */
const wireForms = new WeakMap<TranscriptMessage, Message>();

function kept(message: TranscriptMessage, make: () => Message): Message {
  let wire = wireForms.get(message);
  if (!wire) wireForms.set(message, (wire = make()));
  return wire;
}

function toolMessage(message: ToolMessage, images: ModelRequest['images']): Message {
  return { role: 'tool', tool_call_id: message.callId, content: toolText(message, images) };
}

function plainMessage(message: Exclude<TranscriptMessage, ToolMessage>): Message {
  if (message.role === 'user') return { role: 'user', content: userText(message) };
  if (message.role === 'summary') return { role: 'user', content: summaryText(message) };
  const calls = message.toolCalls ?? [];
  return {
    role: 'assistant',
    content: message.text === '' ? null : message.text,
    ...(calls.length === 0
      ? {}
      : {
          tool_calls: calls.map((call) => ({
            type: 'function' as const,
            id: call.id,
            function: { name: call.name, arguments: callArguments(call.arguments) },
          })),
        }),
  };
}

function imageMessage(images: readonly WireImage[]): Message {
  return {
    role: 'user',
    content: [
      {
        type: 'text',
        text: `[Images from the tool results above: ${images.map((i) => i.label).join('; ')}]`,
      },
      ...images.map(({ url }) => ({ type: 'image_url' as const, image_url: { url } })),
    ],
  };
}
