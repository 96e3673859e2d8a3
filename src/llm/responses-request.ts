/** A model call as a request of OpenAI's Responses. Pure; the answer is `responses.ts`. */
import type OpenAI from 'openai';
import type { ModelRequest } from '../contracts/llm.js';
import type { AssistantMessage, ToolMessage, TranscriptMessage } from '../contracts/message.js';
import { isOpenAIReasoningModel } from '../contracts/model-traits.js';
import { incremental } from './incremental.js';
import { reasoningBefore } from './reasoning-items.js';
import { callArguments, imagesOf, summaryText, toolText, userText } from './wire-text.js';

type Item = OpenAI.Responses.ResponseInputItem;

export interface ResponsesRequestOptions {
  /** Whose reasoning items go back with the answers; see `ReasoningItems.origin`. Default: none. */
  readonly origin?: string;
}

/**
 * The body of the request. `store: false`: the transcript is ours, and nothing of it should
 * stay with the provider. Reasoning is not asked to be summarised (OpenAI refuses that to
 * organisations it has not verified), but shown when it comes.
 */
export function responsesRequest(
  request: ModelRequest,
  { origin }: ResponsesRequestOptions = {},
): OpenAI.Responses.ResponseCreateParamsStreaming & { input: Item[] } {
  const reasoning = isOpenAIReasoningModel(request.model);
  return {
    model: request.model,
    ...(request.instructions === '' ? {} : { instructions: request.instructions }),
    input: inputItems(request, origin),
    // Other models refuse to be asked for it. `store: false` leaves them without their own copy.
    ...(reasoning ? { include: ['reasoning.encrypted_content'] } : {}),
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

function inputItems({ messages, images }: ModelRequest, origin: string | undefined): Item[] {
  // Which images are shown changes from call to call.
  if (images) return messages.flatMap((message) => itemsOf(message, images, origin));
  return [...wireForms(origin)(messages)];
}

/** By origin: the same conversation is sent in another form to another model. */
const forms = new Map<string | undefined, ReturnType<typeof formsOf>>();

function wireForms(origin: string | undefined): ReturnType<typeof formsOf> {
  const known = forms.get(origin) ?? formsOf(origin);
  forms.set(origin, known);
  return known;
}

function formsOf(origin: string | undefined) {
  return incremental<TranscriptMessage, readonly Item[]>((before = [], since) =>
    before.concat(since.flatMap((message) => itemsOf(message, undefined, origin))),
  );
}

function itemsOf(
  message: TranscriptMessage,
  images: ModelRequest['images'],
  origin: string | undefined,
): Item[] {
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
      return answerItems(message, origin);
  }
}

function answerItems(message: AssistantMessage, origin: string | undefined): Item[] {
  const { text, toolCalls = [] } = message;
  const calls = toolCalls.flatMap((call, index): Item[] => [
    ...reasoningBefore(message, index, origin),
    {
      type: 'function_call',
      call_id: call.id,
      name: call.name,
      arguments: callArguments(call.arguments),
    },
  ]);
  // Reasoning must be followed by what it led to.
  if (text === '') return calls;
  return [
    ...reasoningBefore(message, 'text', origin),
    { role: 'assistant', content: text },
    ...calls,
  ];
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
