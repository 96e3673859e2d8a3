/** A model call as a request of chat completions. Pure; the answer is `chat-completions.ts`. */
import type OpenAI from 'openai';
import type { ModelRequest } from '../contracts/llm.js';
import type { ToolMessage, TranscriptMessage } from '../contracts/message.js';
import { incremental } from './incremental.js';
import { hostOf } from './model-errors.js';
import { isOpenAIReasoningModel } from '../contracts/model-traits.js';
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

function chatMessages({ instructions, messages, images }: ModelRequest): Message[] {
  const conversation = images ? withImages(messages, images) : wireForms(messages);
  return instructions === ''
    ? [...conversation]
    : [systemMessage(instructions, messages[0]), ...conversation];
}

const wireForms = incremental<TranscriptMessage, readonly Message[]>((before = [], since) =>
  before.concat(
    since.flatMap((message) =>
      message.role === 'tool' ? toolMessage(message, undefined) : plainMessage(message),
    ),
  ),
);

/**
 * A tool message holds text only, so its images follow the last result of the batch: in
 * between, they would tear results from the calls that they answer.
 */
function withImages(
  list: readonly TranscriptMessage[],
  shown: NonNullable<ModelRequest['images']>,
): Message[] {
  const messages: Message[] = [];
  let images: WireImage[] = [];
  const flush = (): void => {
    if (images.length > 0) messages.push(imageMessage(images));
    images = [];
  };
  for (const message of list) {
    if (message.role === 'tool') {
      messages.push(toolMessage(message, shown));
      images.push(...imagesOf(message, shown));
    } else {
      flush();
      messages.push(...plainMessage(message));
    }
  }
  flush();
  return messages;
}

/** By conversation, so that `request-body.ts` sees the same list again. */
const systemMessages = new WeakMap<TranscriptMessage, Message>();

function systemMessage(instructions: string, first: TranscriptMessage | undefined): Message {
  const known = first && systemMessages.get(first);
  if (known?.content === instructions) return known;
  const message: Message = { role: 'system', content: instructions };
  if (first) systemMessages.set(first, message);
  return message;
}

function toolMessage(message: ToolMessage, images: ModelRequest['images']): Message {
  return { role: 'tool', tool_call_id: message.callId, content: toolText(message, images) };
}

function plainMessage(message: Exclude<TranscriptMessage, ToolMessage>): Message[] {
  if (message.role === 'user') return [{ role: 'user', content: userText(message) }];
  if (message.role === 'summary') return [{ role: 'user', content: summaryText(message) }];
  const calls = message.toolCalls ?? [];
  // An answer that was interrupted before its first word: some endpoints refuse it empty.
  if (message.text === '' && calls.length === 0) return [];
  return [
    {
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
    },
  ];
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
