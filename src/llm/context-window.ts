/**
 * How much a model takes, and how much a text is. Pure; the provider's own `usage` comes
 * first wherever it is known.
 */

/** For a model that the table does not know: what most hosted models had since 2024. Tokens. */
export const DEFAULT_CONTEXT_WINDOW = 128_000;

/**
 * Tokens of input and output together, by beginning of the name; the longest one that fits
 * counts. Source: the vendors' model pages and the `context_window` fields of
 * `@pydantic/genai-prices` 0.1.8, read in November 2026. Where a vendor has tiers, the one
 * that needs no special access. An agent's `contextWindow` goes over it.
 */
const WINDOWS: readonly (readonly [prefix: string, tokens: number])[] = [
  ['gpt-5-chat', 128_000],
  ['gpt-5', 400_000],
  ['gpt-4.1', 1_047_576],
  ['gpt-4o', 128_000],
  ['gpt-4-turbo', 128_000],
  ['gpt-4-32k', 32_768],
  ['gpt-4', 8_192],
  ['gpt-3.5', 16_385],
  ['gpt-oss', 131_072],
  ['o1-mini', 128_000],
  ['o1', 200_000],
  ['o3', 200_000],
  ['o4', 200_000],
  ['claude', 200_000],
  ['gemini', 1_048_576],
  ['deepseek', 128_000],
  ['mistral-large', 128_000],
  ['codestral', 256_000],
  ['kimi-k2', 256_000],
  ['qwen3', 128_000],
  ['qwen2.5', 32_768],
  ['llama-4', 1_000_000],
  ['llama-3', 128_000],
  ['llama3', 128_000],
  ['grok-4', 256_000],
  ['grok-3', 131_072],
];

/** Tokens that `model` takes in and gives out together; a vendor before a slash is passed over. */
export function contextWindowOf(model: string): number {
  const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase();
  let best = '';
  let tokens = DEFAULT_CONTEXT_WINDOW;
  for (const [prefix, window] of WINDOWS) {
    if (name.startsWith(prefix) && prefix.length > best.length) {
      best = prefix;
      tokens = window;
    }
  }
  return tokens;
}

/**
 * Tokens of a text, roughly: four ASCII characters make one, any other UTF-16 unit is one by
 * itself. English text measures 4 to 4.5 characters a token with OpenAI's encodings, Chinese
 * about one; code and digits are denser, so leave some room. Linear, allocates nothing.
 */
export function estimateTokens(text: string): number {
  let other = 0;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) other++;
  return Math.ceil((text.length - other) / 4) + other;
}
