/**
 * What a model call costs. The table is inside `@pydantic/genai-prices`: nothing here may
 * reach for the network, so `updatePrices` of that package stays unused.
 */
import { calcPrice } from '@pydantic/genai-prices';
import type { Provider } from '../contracts/llm.js';
import type { Usage } from '../contracts/message.js';

type Tokens = Pick<Usage, 'input' | 'output' | 'cached'>;

/**
 * Micro-dollars (1e-6 USD), whole, rounded up from the half. 0 for a provider that is `free`;
 * otherwise the provider's own `prices` come first, then the table for its base URL, then the table by name of the model alone, as
 * behind a proxy; 0 when none of them knows the model. Never throws.
 */
export function priceMicros(
  model: string,
  usage: Tokens,
  provider: Pick<Provider, 'prices' | 'baseUrl' | 'free'>,
): number {
  if (provider.free === true) return 0;
  // A provider may report more cached tokens than input (some leave them out of it).
  const input = whole(usage.input);
  const cached = Math.min(whole(usage.cached), input);
  const output = whole(usage.output);

  const own = provider.prices;
  const price = own !== undefined && Object.hasOwn(own, model) ? own[model] : undefined;
  if (price !== undefined) {
    // USD per million tokens is the same number as micro-dollars per token.
    const micros =
      (input - cached) * price.input +
      cached * (price.cached ?? price.input) +
      output * price.output;
    return Number.isFinite(micros) ? Math.max(0, Math.round(micros)) : 0;
  }

  const tokens = { input_tokens: input, cache_read_tokens: cached, output_tokens: output };
  const bare = model.slice(model.lastIndexOf('/') + 1);
  return (
    fromTable(tokens, model, provider.baseUrl) ??
    fromTable(tokens, model) ??
    (bare === model ? undefined : fromTable(tokens, bare)) ??
    0
  );
}

function fromTable(
  tokens: Record<string, number>,
  model: string,
  baseUrl?: string,
): number | undefined {
  try {
    const found = calcPrice(
      tokens,
      model,
      baseUrl === undefined ? {} : { providerApiUrl: baseUrl },
    );
    return found === null ? undefined : Math.round(found.total_price * 1e6);
  } catch {
    // The package throws on usage that it finds inconsistent; a missing price must not fail a call.
    return undefined;
  }
}

/** A sane count: some endpoints report nonsense, and money must stay a number. */
function whole(count: number): number {
  return Number.isFinite(count) && count > 0 ? Math.round(Math.min(count, 1e9)) : 0;
}
