/** A model call as a request of OpenAI's Responses. Pure; the answer is `responses.ts`. */
import type OpenAI from 'openai';
import type { ModelRequest } from '../contracts/llm.js';
import type { ToolMessage, TranscriptMessage } from '../contracts/message.js';
import { isOpenAIReasoningModel } from '../contracts/model-traits.js';
import { incremental } from './incremental.js';
import { callArguments, imagesOf, summaryText, toolText, userText } from './wire-text.js';

type Item = OpenAI.Responses.ResponseInputItem;

/**
 * The body of the request. `store: false`: the transcript is ours, and nothing of it should
 * stay with the provider. Reasoning is not asked to be summarised (OpenAI refuses that to
 * organisations it has not verified), but shown when it comes.
 */
export function responsesRequest(
  request: ModelRequest,
): OpenAI.Responses.ResponseCreateParamsStreaming & { input: Item[] } {
  const reasoning = isOpenAIReasoningModel(request.model);
  return {
    model: request.model,
    ...(request.instructions === '' ? {} : { instructions: request.instructions }),
    input: inputItems(request),
    stream: true,
    store: false,
    max_output_tokens: request.maxTokens,
    ...(reasoning || request.temperature === null ? {} : { temperature: request.temperature }),
    ...(request.tools.length === 0
      ? {}
      : {
          tools: request.tools.map(({ name, description, parameters }) => ({
            type: 'function' as const,
            name,
            description,
            parameters: { ...parameters },
            strict: false,
          })),
          tool_choice: request.toolChoice,
        }),
    ...(request.responseFormat === undefined
      ? {}
      : {
          text: {
            format: {
              type: 'json_schema' as const,
              name: request.responseFormat.name,
              schema: { ...request.responseFormat.schema },
              strict: false,
            },
          },
        }),
    ...(request.user === undefined ? {} : { safety_identifier: request.user }),
  };
}

function inputItems({ messages, images }: ModelRequest): Item[] {
  // Which images are shown changes from call to call.
  return images
    ? messages.flatMap((message) => itemsOf(message, images))
    : [...wireForms(messages)];
}

const wireForms = incremental<TranscriptMessage, readonly Item[]>((before = [], since) =>
  before.concat(since.flatMap((message) => itemsOf(message, undefined))),
);

function itemsOf(message: TranscriptMessage, images: ModelRequest['images']): Item[] {
  switch (message.role) {
    case 'user':
      return [{ role: 'user', content: userText(message) }];
    case 'summary':
      return [{ role: 'user', content: summaryText(message) }];
    case 'tool':
      return [
        {
          type: 'function_call_output',
          call_id: message.callId,
          output: toolOutput(message, images),
        },
      ];
    case 'assistant':
      return [
        ...(message.text === '' ? [] : [{ role: 'assistant' as const, content: message.text }]),
        ...(message.toolCalls ?? []).map((call) => ({
          type: 'function_call' as const,
          call_id: call.id,
          name: call.name,
          arguments: callArguments(call.arguments),
        })),
      ];
  }
}

/** Text, or parts when there are images: here a tool's result may hold them itself. */
function toolOutput(
  message: ToolMessage,
  images: ModelRequest['images'],
): string | OpenAI.Responses.ResponseFunctionCallOutputItemList {
  const text = toolText(message, images);
  const shown = imagesOf(message, images);
  if (shown.length === 0) return text;
  return [
    { type: 'input_text', text },
    ...shown.map(({ url }) => ({
      type: 'input_image' as const,
      image_url: url,
      detail: 'auto' as const,
    })),
  ];
}
