/**
 * The client of one provider, over the `openai` package, for OpenAI and for every compatible
 * endpoint. The package makes requests and reads error bodies; streams, deadlines and
 * failures are our own. No retry happens here: Temporal retries.
 */
import type OpenAI from 'openai';
import type {
  LLMClient,
  ModelCallOptions,
  ModelRequest,
  ModelResponse,
  Provider,
} from '../contracts/llm.js';
import { ChatAssembler } from './chat-completions.js';
import { PerduraError } from '../contracts/failures.js';
import { chatRequest } from './chat-request.js';
import { hostOf } from './model-errors.js';
import { FETCH_SILENCE_MS, patientFetch } from './patient-fetch.js';
import { priceMicros } from './pricing.js';
import { requestBody } from './request-body.js';
import { ResponsesAssembler } from './responses.js';
import { responsesRequest } from './responses-request.js';
import { streamCall } from './stream-call.js';
import type { Price } from './stream-call.js';

/** Off, in effect: silence is what ends a call, not length. Longest delay of a Node timer, ms. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * One client for all calls to a provider: it keeps connections open between them (Node's
 * `fetch` does). Reads no environment: what the `openai` package would take from there is set.
 */
export function createLLMClient(provider: Provider): LLMClient {
  const loading = openClient(provider);
  // A failure to load it is reported by the first call.
  loading.catch(() => undefined);
  const secrets = [provider.apiKey, ...Object.values(provider.headers ?? {})];
  const price: Price = (model, usage) => priceMicros(model, usage, provider);

  const complete = async (
    request: ModelRequest,
    options: ModelCallOptions,
  ): Promise<ModelResponse> => {
    const place = { baseUrl: provider.baseUrl, model: request.model, secrets };
    const post = (path: string, body: Uint8Array) => async (signal: AbortSignal) =>
      (await loading)
        .post(path, { body, headers: { 'content-type': 'application/json' }, stream: true, signal })
        .asResponse();
    // The bodies are made out here: a mistake in making them is no failure of the provider.
    if (provider.api === 'responses') {
      const origin = `${hostOf(provider.baseUrl)} ${request.model}`;
      const ask = (sent: { origin?: string }) => {
        const { input, ...rest } = responsesRequest(request, sent);
        const answer = new ResponsesAssembler(request.model, options, price, origin);
        const open = post('/responses', requestBody(rest, 'input', input));
        return streamCall(open, answer, options, place);
      };
      if (!hasReasoningOf(request, origin)) return ask({});
      try {
        return await ask({ origin });
      } catch (error) {
        // Another key of the same provider cannot read it. The session must not end of that.
        if (!refusesReasoning(error)) throw error;
        return ask({});
      }
    }
    const { messages, ...rest } = chatRequest(request, provider.baseUrl);
    const answer = new ChatAssembler(request.model, options, price);
    const open = post('/chat/completions', requestBody(rest, 'messages', messages));
    return streamCall(open, answer, options, place);
  };

  return { complete, price };
}

function hasReasoningOf({ messages }: ModelRequest, origin: string): boolean {
  return messages.some(
    (message) => message.role === 'assistant' && message.reasoningItems?.origin === origin,
  );
}

/** Refused before a word was said, and because of the reasoning that was sent back. */
function refusesReasoning(error: unknown): boolean {
  return (
    error instanceof PerduraError &&
    error.type === 'Model.BadRequest' &&
    /reasoning|encrypted/i.test(error.message)
  );
}

/** Loads the package with the first client: `createLLMClient` is exported by the package root. */
export async function openClient(provider: Provider): Promise<OpenAI> {
  const { default: OpenAI } = await import('openai');
  return new OpenAI({
    baseURL: provider.baseUrl,
    // Local endpoints want none, but the package insists.
    apiKey: provider.apiKey || 'none',
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    maxRetries: 0,
    timeout: NO_TIMEOUT_MS,
    // It would print parts of prompts and answers.
    logLevel: 'off',
    ...(provider.stallTimeoutMs > FETCH_SILENCE_MS ? { fetch: patientFetch() } : {}),
    ...(provider.headers === undefined ? {} : { defaultHeaders: provider.headers }),
  });
}
