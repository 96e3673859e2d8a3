/** The client of embeddings against a real server, and what it does not believe. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MOST_EMBEDDED_UNITS } from '../../../src/contracts/embeddings.js';
import type { Provider } from '../../../src/contracts/llm.js';
import { createEmbedder } from '../../../src/llm/embeddings.js';
import { startOfflineModel } from '../../../src/testing/offline-model.js';
import { ScriptedModel, type EmbeddingPlan } from '../../../src/testing/scripted-model.js';
import { textEmbedding } from '../../../src/testing/text-embedding.js';

let model: ScriptedModel;
beforeAll(async () => void (model = await ScriptedModel.start()));
afterAll(() => model.stop());

const provider = (embeddings: Partial<Provider['embeddings']> = {}): Provider => ({
  api: 'chat',
  baseUrl: model.baseUrl,
  apiKey: 'sk-canary-0123456789',
  stallTimeoutMs: 10_000,
  prices: { 'text-embedding-3-small': { input: 0.5, output: 0 } },
  embeddings: {
    model: 'text-embedding-3-small',
    timeoutMs: 1_000,
    minSimilarity: 0.2,
    ...embeddings,
  },
});
const never = () => new AbortController().signal;
const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, n, i) => sum + n * b[i]!, 0);

describe('embeddings', () => {
  it('embeddings: texts → unit vectors in their order, their space, tokens and cost', async () => {
    model.embed(() => undefined);
    const embedder = createEmbedder(provider())!;
    const long = 'word '.repeat(400_000 / 5);
    const { space, vectors, tokens, costMicros } = await embedder.embed(
      ['favourite colour', 'favorite color', 'wooden ships', '…', 'half \ud83d', long],
      never(),
    );
    expect(space).toBe('text-embedding-3-small:256');
    expect(vectors[3]).toBeUndefined();
    expect(dot(vectors[0]!, vectors[0]!)).toBeCloseTo(1);
    expect(dot(vectors[0]!, vectors[1]!)).toBeGreaterThan(dot(vectors[0]!, vectors[2]!) + 0.3);
    expect(tokens).toBeGreaterThan(0);
    expect(costMicros).toBe(Math.round(tokens * 0.5));
    expect(model.embedded.at(-1)!.texts[5]!.length).toBe(MOST_EMBEDDED_UNITS);
    const { space: shorter } = await createEmbedder(provider({ dimensions: 32 }))!.embed(
      ['a'],
      never(),
    );
    expect(shorter).toBe('text-embedding-3-small:32');
    expect(createEmbedder({ ...provider(), embeddings: undefined } as never)).toBeUndefined();
  });

  const refused: [string, EmbeddingPlan, string][] = [
    ['fewer vectors than texts', { vectors: [[1]] }, 'Model.BadRequest'],
    ['no numbers', { vectors: [['a'], [1]] as never }, 'Model.BadRequest'],
    ['no list', { vectors: [null, [1]] as never }, 'Model.BadRequest'],
    ['several sizes', { vectors: [[1], [1, 2]] }, 'Model.BadRequest'],
    ['no dimensions', { vectors: [[], []] }, 'Model.BadRequest'],
    [
      'too many dimensions',
      { vectors: [Array(16_001).fill(1), Array(16_001).fill(1)] },
      'Model.BadRequest',
    ],
    ['401', { status: 401, message: 'bad key sk-canary-0123456789' }, 'Model.Unauthorized'],
    ['429', { status: 429 }, 'Model.RateLimited'],
    ['500', { status: 500 }, 'Model.Unavailable'],
    ['404', { status: 404 }, 'Model.NotFound'],
  ];
  it.each(refused)('embeddings: %s → %#', async (_, plan, type) => {
    model.embed(() => plan);
    const asked = createEmbedder(provider())!.embed(['a', 'b'], never());
    await expect(asked).rejects.toMatchObject({ type });
    await expect(asked).rejects.not.toThrow(/canary/);
  });

  it('embeddings: numbers at the edge → still of length 1', async () => {
    model.embed(() => ({ vectors: [[1e308, -1e308, 5e-324, 0]] }));
    const { vectors } = await createEmbedder(provider())!.embed(['a'], never());
    expect(dot(vectors[0]!, vectors[0]!)).toBeCloseTo(1);
    expect(vectors[0]![2]).toBe(0);
  });

  it('embeddings: stopped while the endpoint says nothing → rejects with the reason', async () => {
    model.embed(() => 'hang');
    const stop = new AbortController();
    const asked = createEmbedder(provider())!.embed(['a'], stop.signal);
    const reason = new Error('enough');
    await model.until(({ embedded }) => embedded.length > 0);
    stop.abort(reason);
    await expect(asked).rejects.toBe(reason);
  });

  it('offline model: asked for embeddings, as the openai package asks → the same vectors each time', async () => {
    const offline = await startOfflineModel({ instant: true });
    const client = new OpenAI({ baseURL: offline.baseUrl, apiKey: 'none' });
    const ask = async () => {
      const { data } = await client.embeddings.create({ model: 'x', input: 'Hello, harbour.' });
      return data[0]!.embedding;
    };
    const [one, two] = [await ask(), await ask()];
    expect(one).toEqual(two);
    expect(dot(one, textEmbedding('Hello, harbour.'))).toBeCloseTo(1);
    await offline.stop();
  });
});
