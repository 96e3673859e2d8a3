/**
 * The client of an endpoint for embeddings, OpenAI's or a compatible one. It believes nothing: vectors
 * that are of another number, of several sizes or no numbers fail the call.
 */
import {
  MOST_DIMENSIONS,
  MOST_EMBEDDED_UNITS,
  type Embedder,
  type Embeddings,
} from '../contracts/embeddings.js';
import { PerduraError } from '../contracts/failures.js';
import type { Provider } from '../contracts/llm.js';
import { clip, wellFormed } from '../contracts/text.js';
import { classifyModelError, hostOf } from './model-errors.js';
import { openClient } from './openai-client.js';
import { priceMicros } from './pricing.js';

/** `undefined` for a provider without `embeddings`. */
export function createEmbedder(provider: Provider): Embedder | undefined {
  const { embeddings: options } = provider;
  if (!options) return undefined;
  const { model, dimensions } = options;
  const secrets = [provider.apiKey, ...Object.values(provider.headers ?? {})];
  const place = { baseUrl: provider.baseUrl, model, secrets, phase: 'request' } as const;
  // Now, and not within the deadline of the first question.
  const loading = openClient(provider);
  loading.catch(() => undefined);

  const request = async (input: string[], signal: AbortSignal): Promise<unknown> => {
    const body = {
      model,
      input,
      // The package would ask for base64, which not every compatible endpoint knows.
      encoding_format: 'float',
      ...(dimensions === undefined ? {} : { dimensions }),
    };
    return (await loading).post('/embeddings', { body, signal });
  };

  return {
    options,
    async embed(texts, signal) {
      const input = texts.map((text) => clip(wellFormed(text), MOST_EMBEDDED_UNITS));
      let answer: unknown;
      try {
        answer = await request(input, signal);
      } catch (error) {
        signal.throwIfAborted();
        throw classifyModelError(error, place, Date.now());
      }
      const vectors = vectorsOf(answer, input.length);
      if (typeof vectors === 'string') {
        throw new PerduraError(
          'Model.BadRequest',
          `${model} at ${hostOf(provider.baseUrl)} answered with ${vectors}.`,
        );
      }
      const tokens = tokensOf(answer) ?? estimate(input);
      const usage = { input: tokens, output: 0, cached: 0 };
      return {
        space: `${model}:${vectors[0]?.length ?? 0}`,
        vectors: vectors.map(unit),
        tokens,
        costMicros: priceMicros(model, usage, provider),
      } satisfies Embeddings;
    },
  };
}

/** The vectors by their index, or what is wrong with them. */
function vectorsOf(answer: unknown, count: number): number[][] | string {
  const data: unknown = (answer as { data?: unknown } | null)?.data;
  if (!Array.isArray(data) || data.length !== count) {
    return `${Array.isArray(data) ? data.length : 'no'} vectors for ${count} texts`;
  }
  const vectors: number[][] = [];
  for (const [i, each] of data.entries()) {
    const { embedding, index = i } = (each ?? {}) as { embedding?: unknown; index?: number };
    if (!Number.isInteger(index) || index < 0 || index >= count) return 'a vector of no text';
    if (!Array.isArray(embedding) || !embedding.every((n) => Number.isFinite(n))) {
      return 'a vector that is no list of numbers';
    }
    vectors[index] = embedding as number[];
  }
  const sizes = new Set(Array.from(vectors, (vector) => vector?.length));
  const [size] = sizes;
  if (vectors.length !== count || sizes.size > 1 || size === undefined) {
    return 'vectors of several sizes';
  }
  if (size < 1 || size > MOST_DIMENSIONS) return `vectors of ${size} dimensions`;
  return vectors;
}

/** Of length 1, so that the largest number fits; without a length there is nothing to compare. */
function unit(vector: readonly number[]): readonly number[] | undefined {
  const largest = vector.reduce((most, n) => Math.max(most, Math.abs(n)), 0);
  if (largest === 0) return undefined;
  const scaled = vector.map((n) => n / largest);
  const length = Math.sqrt(scaled.reduce((sum, n) => sum + n * n, 0));
  return scaled.map((n) => (Math.abs(n) < SMALLEST ? 0 : n / length));
}

/** PostgreSQL refuses a number that is too small for its `real`; it says nothing about direction. */
const SMALLEST = 1e-30;

function tokensOf(answer: unknown): number | undefined {
  const usage = (answer as { usage?: { prompt_tokens?: unknown } }).usage;
  const tokens = usage?.prompt_tokens;
  return typeof tokens === 'number' && tokens >= 0 && tokens <= 1e9
    ? Math.round(tokens)
    : undefined;
}

/** Four characters for a token, as everywhere. */
function estimate(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0);
}
