/** A provider that may be silent for longer than Node's own `fetch` waits: another one is used. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLLMClient } from '../../../src/llm/openai-client.js';
import type { LLMClient, ModelRequest, Provider } from '../../../src/contracts/llm.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { APIS } from './harness.js';

const request: ModelRequest = {
  model: 'test-model',
  instructions: 'You are a test.',
  messages: [{ role: 'user', id: 'm1', text: 'hello' }],
  tools: [],
  toolChoice: 'auto',
  temperature: null,
  maxTokens: 100,
};

describe.each(APIS)('stallTimeoutMs of ten minutes, %s', (api) => {
  let model: ScriptedModel;
  let client: LLMClient;
  const provider = (baseUrl: string): Provider => ({
    api,
    baseUrl,
    apiKey: 'test',
    stallTimeoutMs: 600_000,
  });
  beforeAll(async () => {
    model = await ScriptedModel.start();
    client = createLLMClient(provider(model.baseUrl));
  });
  afterAll(() => model.stop());

  const call = (
    signal = new AbortController().signal,
    onDelta: (channel: string, text: string) => void = () => undefined,
  ) => client.complete(request, { signal, onDelta, stallTimeoutMs: 600_000 });

  it('an answer → streamed', async () => {
    model.enqueue({ text: 'one two three', chunkSize: 4 }, 'again');
    const pieces: string[] = [];
    const answer = await call(undefined, (_channel, text) => void pieces.push(text));
    expect(answer).toMatchObject({ text: 'one two three' });
    expect(pieces.length).toBeGreaterThan(1);
    expect(await call()).toMatchObject({ text: 'again' });
  });

  it('an interruption → the connection is closed', async () => {
    model.enqueue({ text: 'and so on '.repeat(100), chunkDelayMs: 50 });
    const abort = new AbortController();
    const closed = model.closedEarly.length;
    await expect(call(abort.signal, () => abort.abort(new Error('enough')))).rejects.toThrow(
      'enough',
    );
    await model.until(({ closedEarly }) => closedEarly.length === closed + 1);
  });

  it('failures → classified as ever', async () => {
    model.enqueue({ error: { status: 429, retryAfter: 7 } });
    await expect(call()).rejects.toMatchObject({ type: 'Model.RateLimited' });
    const nobody = createLLMClient(provider('http://127.0.0.1:1/v1'));
    await expect(
      nobody.complete(request, {
        signal: new AbortController().signal,
        onDelta: () => undefined,
        stallTimeoutMs: 600_000,
      }),
    ).rejects.toMatchObject({ type: 'Model.Unavailable' });
  });
});
