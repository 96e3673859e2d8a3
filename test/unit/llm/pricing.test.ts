/** What calls cost, how much models take, how long texts are. */
import { describe, expect, it } from 'vitest';
import { fc, test } from './property.js';
import { priceMicros } from '../../../src/llm/pricing.js';
import {
  DEFAULT_CONTEXT_WINDOW,
  contextWindowOf,
  estimateTokens,
} from '../../../src/llm/context-window.js';
import { isOpenAIReasoningModel, OFFLINE_MODEL } from '../../../src/contracts/model-traits.js';

const openai = { baseUrl: 'https://api.openai.com/v1' };
const usage = { input: 1000, output: 500, cached: 200 };

describe('price', () => {
  it.each([
    // 800 at 2.50, 200 cached at 1.25, 500 at 10 USD per million.
    ['a model of the table', 'gpt-4o', openai, 7_250],
    ['behind another base URL', 'gpt-4o', { baseUrl: 'http://127.0.0.1:1/v1' }, 7_250],
    ['with a vendor before it', 'openai/gpt-4o', { baseUrl: 'https://router.example/v1' }, 7_250],
    ['a dated name', 'gpt-4o-2024-08-06', openai, 7_250],
    ['unknown', 'my-own-model', openai, 0],
    ['of a provider that is free', 'gpt-4o', { ...openai, free: true }, 0],
    ['of the offline model', OFFLINE_MODEL, openai, 0],
    ['the name of a property of objects', 'constructor', { ...openai, prices: {} }, 0],
  ])('%s: %s', (_, model, provider, micros) => {
    expect(priceMicros(model, usage, provider)).toBe(micros);
  });

  it('prices of the provider → over the table, cached as input where it is not given', () => {
    const prices = { 'gpt-4o': { input: 1, output: 2 } };
    expect(priceMicros('gpt-4o', usage, { ...openai, prices })).toBe(2_000);
    const cached = { 'gpt-4o': { input: 1, output: 2, cached: 0.1 } };
    expect(priceMicros('gpt-4o', usage, { ...openai, prices: cached })).toBe(1_820);
  });

  const count = fc.oneof(fc.integer(), fc.double());
  test(
    'any usage → whole, not negative',
    fc.record({ input: count, output: count, cached: count }),
    (any) => {
      for (const prices of [undefined, { 'gpt-5': { input: 0.3, output: 7 } }]) {
        const micros = priceMicros('gpt-5', any, { ...openai, ...(prices && { prices }) });
        expect(Number.isInteger(micros) && micros >= 0).toBe(true);
      }
    },
  );
});

describe('context window', () => {
  it.each([
    ['gpt-4o-mini', 128_000],
    ['gpt-4.1-nano', 1_047_576],
    ['gpt-4', 8_192],
    ['openai/gpt-5-mini', 400_000],
    ['gpt-5-chat-latest', 128_000],
    ['claude-sonnet-4-5', 200_000],
    ['nobody-knows', DEFAULT_CONTEXT_WINDOW],
  ])('%s → %i', (model, tokens) => {
    expect(contextWindowOf(model)).toBe(tokens);
  });
});

describe('estimate', () => {
  it.each([
    ['', 0],
    ['hello world!', 3],
    ['日本語', 3],
    ['🦊', 2],
  ])('%j → %i tokens', (text, tokens) => {
    expect(estimateTokens(text)).toBe(tokens);
  });

  test('longer text: never fewer tokens', fc.tuple(fc.string(), fc.string()), ([a, b]) => {
    expect(estimateTokens(a + b)).toBeGreaterThanOrEqual(estimateTokens(a));
  });
});

describe('reasoning models of OpenAI', () => {
  it.each([
    'o1',
    'o3-mini',
    'o4-mini',
    'gpt-5',
    'gpt-5.1-codex',
    'openai/gpt-5',
    'gpt-6',
    'gpt-10',
  ])('%s → max_completion_tokens', (model) => expect(isOpenAIReasoningModel(model)).toBe(true));
  it.each(['gpt-4o', 'gpt-4.1', 'gpt-oss-120b', 'gpt-3.5-turbo', 'olmo', 'llama-3'])(
    '%s → max_tokens',
    (model) => expect(isOpenAIReasoningModel(model)).toBe(false),
  );
});
