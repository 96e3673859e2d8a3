/** How a provider may fail, over real HTTP, with both APIs: F13, F14, F16. */
import { describe, expect, it } from 'vitest';
import { isRetryable } from '../../../src/contracts/failures.js';
import { createLLMClient } from '../../../src/llm/openai-client.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { APIS, SECRET, failureOf, useModel } from './harness.js';

const harness = useModel();

describe.each(APIS)('%s', (api) => {
  it.each([
    ['400', { status: 400, message: 'bad schema' }, 'Model.BadRequest'],
    ['401', { status: 401, message: `Incorrect API key: ${SECRET}` }, 'Model.Unauthorized'],
    ['403', { status: 403 }, 'Model.Unauthorized'],
    ['404', { status: 404 }, 'Model.NotFound'],
    ['408', { status: 408 }, 'Model.Unavailable'],
    ['409', { status: 409 }, 'Model.Unavailable'],
    ['429', { status: 429 }, 'Model.RateLimited'],
    ['500', { status: 500 }, 'Model.Unavailable'],
    ['503', { status: 503 }, 'Model.Unavailable'],
    [
      'a conversation that is too long',
      { status: 400, code: 'context_length_exceeded' },
      'Model.ContextOverflow',
    ],
    ['a filtered prompt', { status: 400, code: 'content_filter' }, 'Model.Refused'],
  ] as const)('%s → its failure, one request, no key in the message', async (_, error, type) => {
    const before = harness.model.requests.length;
    harness.model.enqueue({ error });
    const failure = await failureOf(harness.call(api));
    expect(failure.type).toBe(type);
    expect(failure.message).toContain('test-model at 127.0.0.1');
    expect(failure.message).not.toContain(SECRET);
    expect(harness.model.requests.length - before).toBe(1);
  });

  it('429: Retry-After in seconds → that delay', async () => {
    harness.model.enqueue({ error: { status: 429, retryAfter: 7 } });
    expect((await failureOf(harness.call(api))).retryAfterMs).toBe(7_000);
  });

  it('429: Retry-After as a date → the time until then', async () => {
    const date = new Date(Date.now() + 30_000);
    harness.model.enqueue({ error: { status: 429, retryAfter: date } });
    const { retryAfterMs } = await failureOf(harness.call(api));
    expect(retryAfterMs).toBeGreaterThan(20_000);
    expect(retryAfterMs).toBeLessThanOrEqual(30_000);
  });

  it('503: retry-after-ms of an hour → capped', async () => {
    harness.model.enqueue({ error: { status: 503, headers: { 'retry-after-ms': '3600000' } } });
    expect((await failureOf(harness.call(api))).retryAfterMs).toBe(60_000);
  });

  it.each(['connection', 'end'] as const)('stream cut by its %s → StreamCut', async (cutBy) => {
    harness.model.enqueue({
      text: 'a long answer that never ends',
      chunkSize: 3,
      cutAfter: 5,
      cutBy,
    });
    const failure = await failureOf(harness.call(api));
    expect(failure.type).toBe('Model.StreamCut');
    expect(isRetryable(failure.type)).toBe(true);
  });

  it('silence before the first byte → Stalled, connection closed', async () => {
    harness.model.enqueue({ hang: true });
    const closed = harness.model.closedEarly.length;
    const failure = await failureOf(harness.call(api, {}, { stallTimeoutMs: 60 }));
    expect(failure).toMatchObject({ type: 'Model.Stalled' });
    await harness.model.until((model) => model.closedEarly.length > closed);
  });

  it('silence in the middle → Stalled, connection closed', async () => {
    harness.model.enqueue({ text: 'one two three four five', chunkSize: 4, hang: 5 });
    const closed = harness.model.closedEarly.length;
    const failure = await failureOf(harness.call(api, {}, { stallTimeoutMs: 60 }));
    expect(failure).toMatchObject({ type: 'Model.Stalled' });
    await harness.model.until((model) => model.closedEarly.length > closed);
  });

  it('slow but never silent: longer in all than the stall timeout → whole', async () => {
    const text = 'x'.repeat(30);
    harness.model.enqueue({ text, chunkSize: 1, chunkDelayMs: 20 });
    expect((await harness.call(api, {}, { stallTimeoutMs: 300 })).text).toBe(text);
  });

  it.each([true, 4] as const)(
    'abort while the answer hangs (%s) → the reason, connection closed within a second',
    async (hang) => {
      const abort = new AbortController();
      const reason = new Error('interrupted by the test');
      const { closedEarly, requests } = harness.model;
      const [closed, asked] = [closedEarly.length, requests.length];
      harness.model.enqueue({ text: 'one two three four five', chunkSize: 4, hang });
      let spoke = (): void => undefined;
      const speaking = new Promise<void>((resolve) => (spoke = resolve));
      const call = harness.call(
        api,
        {},
        { signal: abort.signal, ...(hang === true ? {} : { onDelta: () => spoke() }) },
      );
      const rejected = expect(call).rejects.toBe(reason);
      await harness.model.until((model) => model.requests.length > asked);
      if (hang !== true && api === 'chat') await speaking;
      const at = Date.now();
      abort.abort(reason);
      await rejected;
      await harness.model.until((model) => model.closedEarly.length > closed);
      expect(closedEarly.at(-1)!.at - at).toBeLessThan(1_000);
    },
  );

  it('abort before the call → the reason, no request', async () => {
    const asked = harness.model.requests.length;
    const reason = new Error('too late');
    await expect(harness.call(api, {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(harness.model.requests.length).toBe(asked);
  });

  it('nobody listens → Unavailable, with the address', async () => {
    const gone = await ScriptedModel.start();
    await gone.stop();
    const { host } = new URL(gone.baseUrl);
    const client = createLLMClient({
      api,
      baseUrl: gone.baseUrl,
      apiKey: '',
      stallTimeoutMs: 5_000,
    });
    const request = {
      model: 'm',
      instructions: '',
      messages: [],
      tools: [],
      toolChoice: 'auto' as const,
      temperature: null,
      maxTokens: 1,
    };
    const options = { signal: new AbortController().signal, stallTimeoutMs: 5_000 };
    const failure = await failureOf(client.complete(request, options));
    expect(failure.type).toBe('Model.Unavailable');
    expect(failure.message).toBe(`m at ${host} cannot be reached: ECONNREFUSED.`);
  });

  it('script exhausted: fails loudly, at once, and is remembered', async () => {
    const failure = await failureOf(harness.call(api));
    expect(failure).toMatchObject({ type: 'Model.BadRequest' });
    expect(failure.message).toContain('script exhausted');
    expect(() => harness.model.assertDone()).toThrow('no answer for "hello"');
    harness.model.exhausted.length = 0;
    harness.model.assertDone();
  });
});
