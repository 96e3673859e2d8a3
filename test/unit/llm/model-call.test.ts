/** A model call by itself: no session, no store, no Temporal. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PerduraError } from '../../../src/contracts/failures.js';
import type {
  LLMClient,
  ModelCallOptions,
  ModelRequest,
  ModelResponse,
} from '../../../src/contracts/llm.js';
import { NO_USAGE, type Usage } from '../../../src/contracts/message.js';
import { runModelCall, type ModelCall } from '../../../src/llm/model-call.js';

const REQUEST: ModelRequest = {
  model: 'm',
  instructions: '',
  messages: [],
  tools: [],
  toolChoice: 'auto',
  temperature: null,
  maxTokens: 10,
};
const RESPONSE: ModelResponse = {
  text: 'text',
  reasoning: '',
  toolCalls: [],
  finish: 'stop',
  model: 'm-2026',
};
/** One millionth for a token in, ten for one out. */
const price: LLMClient['price'] = (_, { input, output }) => input + 10 * output;

/** A model that says what `speak` does, and then this. */
function client(
  speak: (options: ModelCallOptions) => void,
  then: ModelResponse | Error | 'nothing' = 'nothing',
): LLMClient {
  return {
    price,
    complete: (_, options) =>
      new Promise((resolve, reject) => {
        // As `fetch` does; the reason is that of whoever aborted.
        const fail = () => reject(options.signal.reason as Error);
        options.signal.addEventListener('abort', fail, { once: true });
        speak(options);
        if (then instanceof Error) reject(then);
        else if (then !== 'nothing') resolve(then);
      }),
  };
}

const says =
  (text: string) =>
  ({ onDelta }: ModelCallOptions) =>
    onDelta?.('text', text);

describe('a model call', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  const stop = () => new AbortController();
  const call = (of: LLMClient, more: Partial<ModelCall> = {}): ModelCall => ({
    client: of,
    request: REQUEST,
    inputTokens: 100,
    signal: stop().signal,
    stallTimeoutMs: 1_000,
    deadlineMs: 5_000,
    ...more,
  });

  it('call: answered with a report → its usage; without → an estimate that has a price', async () => {
    const usage = { ...NO_USAGE, input: 7, output: 3, costMicros: 37 };
    const reported = await runModelCall(call(client(() => undefined, { ...RESPONSE, usage })));
    expect(reported).toMatchObject({ outcome: 'answered', usage });
    const toolCalls = [{ id: 'c', name: 'read', arguments: 'x'.repeat(396) }];
    const silent = await runModelCall(call(client(() => undefined, { ...RESPONSE, toolCalls })));
    // 404 characters of text and of the call are 101 tokens.
    expect(silent.usage).toMatchObject({
      input: 100,
      output: 101,
      costMicros: 1_110,
      estimated: true,
    });
  });

  it('call: beyond its deadline → Model.DeadlineExceeded, billed, also when nothing was said', async () => {
    for (const [speak, output] of [
      [says('x'.repeat(40)), 10],
      [() => undefined, 0],
    ] as const) {
      const running = runModelCall(call(client(speak)));
      await vi.advanceTimersByTimeAsync(5_000);
      expect(await running).toMatchObject({
        outcome: 'failed',
        error: { type: 'Model.DeadlineExceeded' },
        usage: { input: 100, output },
      });
    }
    expect(vi.getTimerCount()).toBe(0);
  });

  it('call: stopped → what was said until then, well-formed, and its bill', async () => {
    const abort = stop();
    const speak = ({ onDelta, onCallDelta }: ModelCallOptions) => {
      onDelta?.('reasoning', 'hm');
      onDelta?.('text', 'half \ud83d');
      onCallDelta?.('x'.repeat(40));
      abort.abort(new Error('enough'));
    };
    const end = await runModelCall(call(client(speak), { signal: abort.signal }));
    expect(end).toMatchObject({
      outcome: 'stopped',
      said: { text: 'half \ufffd', reasoning: 'hm' },
    });
    expect(end.usage.output).toBeGreaterThan(10);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ['Model.RateLimited', 0],
    ['Model.BadRequest', 0],
    ['Model.Unavailable', 0],
    ['Model.StreamCut', 100],
    ['Model.Stalled', 100],
  ] as const)('call: %s without a word → %i tokens of input are billed', async (type, input) => {
    const error = new PerduraError(type, 'x');
    const end = await runModelCall(call(client(() => undefined, error)));
    expect(end).toMatchObject({ outcome: 'failed', error, usage: { input } });
  });

  it('call: an answer against its schema → Model.InvalidOutput, with the usage that was reported', async () => {
    const usage = { ...NO_USAGE, input: 7, output: 3, costMicros: 37 };
    const responseFormat = { name: 'n', schema: { type: 'object' } };
    const end = await runModelCall(
      call(
        client(() => undefined, { ...RESPONSE, usage }),
        {
          request: { ...REQUEST, responseFormat },
        },
      ),
    );
    expect(end).toMatchObject({
      outcome: 'failed',
      error: { type: 'Model.InvalidOutput' },
      said: { text: 'text' },
      usage,
    });
  });

  it('call: a mistake of our own → thrown, not a failure of the model', async () => {
    await expect(runModelCall(call(client(() => undefined, new TypeError('x'))))).rejects.toThrow(
      TypeError,
    );
  });

  it('ledger: while the model speaks → the cost so far, every two seconds that bring something new', async () => {
    const spent: Usage[] = [];
    let options: ModelCallOptions | undefined;
    const running = runModelCall(call(client((given) => (options = given))), {
      spent: (usage) => spent.push(usage),
    });
    options!.onDelta?.('text', 'x'.repeat(40));
    await vi.advanceTimersByTimeAsync(4_000);
    options!.onCallDelta?.('x'.repeat(40));
    await vi.advanceTimersByTimeAsync(1_000);
    await running;
    expect(spent.map(({ output }) => output)).toEqual([10]);
  });
});
