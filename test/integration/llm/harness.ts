/** What the tests of the adapters share: both APIs against one scripted model. */
import { afterAll, beforeAll } from 'vitest';
import { createLLMClient } from '../../../src/llm/openai-client.js';
import type {
  ModelCallOptions,
  ModelRequest,
  ModelResponse,
  Provider,
} from '../../../src/contracts/llm.js';
import { PerduraError } from '../../../src/contracts/failures.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';

export const APIS = ['chat', 'responses'] as const;
export const SECRET = 'sk-secret-of-the-tests-0123456789';

export interface Harness {
  readonly model: ScriptedModel;
  /** One call, with what it streamed. */
  call(
    api: Provider['api'],
    request?: Partial<ModelRequest>,
    options?: Partial<ModelCallOptions>,
  ): Promise<ModelResponse & { deltas: [channel: string, text: string][] }>;
}

/** A scripted model for the tests of a file. */
export function useModel(): Harness {
  const harness = {} as { model: ScriptedModel };
  beforeAll(async () => {
    harness.model = await ScriptedModel.start();
  });
  afterAll(() => harness.model.stop());
  return Object.assign(harness, {
    async call(
      api: Provider['api'],
      request: Partial<ModelRequest> = {},
      options: Partial<ModelCallOptions> = {},
    ) {
      const deltas: [string, string][] = [];
      const client = createLLMClient({
        api,
        baseUrl: harness.model.baseUrl,
        apiKey: SECRET,
        stallTimeoutMs: 10_000,
        prices: { 'test-model': { input: 1, output: 10, cached: 0.5 } },
      });
      const response = await client.complete(
        {
          model: 'test-model',
          instructions: 'You are a test.',
          messages: [{ role: 'user', id: 'm1', text: 'hello' }],
          tools: [],
          toolChoice: 'auto',
          temperature: null,
          maxTokens: 100,
          ...request,
        },
        {
          signal: new AbortController().signal,
          onDelta: (channel, text) => deltas.push([channel, text]),
          stallTimeoutMs: 10_000,
          ...options,
        },
      );
      return { ...response, deltas };
    },
  });
}

/** What a call was rejected with, which must be a `PerduraError`. */
export async function failureOf(call: Promise<unknown>): Promise<PerduraError> {
  const outcome = await call.then(
    () => 'no failure',
    (error: unknown) => error,
  );
  if (outcome instanceof PerduraError) return outcome;
  throw new Error(`expected a PerduraError, got ${String(outcome)}`);
}
