/** Providers of models: the declared ones, completed by the environment. */
import type { EmbeddingOptions } from '../contracts/embeddings.js';
import type { Provider } from '../contracts/llm.js';
import { OFFLINE_MODEL } from '../contracts/model-traits.js';
import type { ProviderDeclaration } from './define-config.js';
import type { Settings } from './environment.js';
import type { Problem } from './problems.js';

const OPENAI_URL = 'https://api.openai.com/v1';
const STALL_TIMEOUT_MS = 120_000;
const EMBEDDING_TIMEOUT_MS = 1_500;
/** Texts that have nothing to do with each other are at 0.1 to 0.2 with OpenAI's models of 2024. */
const MIN_SIMILARITY = 0.25;

/**
 * All providers by name; `default` is always there. A key whose variable is unset is a
 * problem only for a provider that an agent uses (`used`): a configuration may name more
 * providers than a machine has keys for.
 */
export function resolveProviders(
  declared: Readonly<Record<string, ProviderDeclaration>>,
  settings: Pick<Settings, 'openai' | 'secret'>,
  used: ReadonlySet<string>,
  file: string | undefined,
): { providers: Record<string, Provider>; problems: Problem[] } {
  const problems: Problem[] = [];
  const resolve = (name: string, from: ProviderDeclaration): Provider => {
    const env = name === 'default' ? settings.openai : {};
    let apiKey = from.apiKey ?? env.apiKey ?? '';
    if (from.apiKeyEnv !== undefined) {
      apiKey = settings.secret(from.apiKeyEnv) ?? '';
      if (apiKey === '' && (used.has(name) || from.embeddings !== undefined)) {
        const text = `the environment variable ${from.apiKeyEnv} is not set. Set it where the worker runs.`;
        problems.push({ where: `${file}: providers.${name}.apiKeyEnv`, text });
      }
    }
    return {
      api: from.api ?? 'chat',
      baseUrl: from.baseUrl ?? env.baseUrl ?? OPENAI_URL,
      apiKey,
      ...(from.headers === undefined ? {} : { headers: from.headers }),
      stallTimeoutMs: from.stallTimeoutMs ?? STALL_TIMEOUT_MS,
      ...(isOffline(name, from, settings) ? { model: OFFLINE_MODEL } : {}),
      ...(from.embeddings === undefined
        ? {}
        : { embeddings: embeddingsOf(from.embeddings, isOffline(name, from, settings)) }),
      ...((from.free ?? isOffline(name, from, settings)) ? { free: true } : {}),
      ...(from.prices === undefined ? {} : { prices: pricesOf(from.prices) }),
    };
  };
  const all = { default: {}, ...declared };
  const embedding = Object.keys(declared).filter((name) => declared[name]?.embeddings);
  if (embedding.length > 1) {
    const text = `are declared by ${embedding.join(' and ')}. Memories are compared by one model: keep one.`;
    problems.push({ where: `${file}: providers.${embedding[1]}.embeddings`, text });
  }
  const entries = Object.entries(all).map(([name, from]) => [name, resolve(name, from)] as const);
  return { providers: Object.fromEntries(entries), problems };
}

/** The offline model makes vectors of its own, which must not pass for those of the model. */
function embeddingsOf(
  declared: NonNullable<ProviderDeclaration['embeddings']>,
  offline: boolean,
): EmbeddingOptions {
  const options = typeof declared === 'string' ? { model: declared } : declared;
  const { model, dimensions, timeoutMs, minSimilarity } = options;
  return {
    model: offline ? OFFLINE_MODEL : model,
    ...(dimensions === undefined ? {} : { dimensions }),
    timeoutMs: timeoutMs ?? EMBEDDING_TIMEOUT_MS,
    minSimilarity: minSimilarity ?? MIN_SIMILARITY,
  };
}

/** Whether the scripted offline model answers for a provider: `default`, as long as nothing else is declared for it. */
export function isOffline(
  name: string,
  declared: ProviderDeclaration | undefined,
  { openai }: Pick<Settings, 'openai'>,
): boolean {
  return name === 'default' && openai.offline === true && declared?.baseUrl === undefined;
}

function pricesOf(
  declared: NonNullable<ProviderDeclaration['prices']>,
): NonNullable<Provider['prices']> {
  return Object.fromEntries(
    Object.entries(declared).map(([model, { input, output, cached }]) => [
      model,
      { input, output, ...(cached === undefined ? {} : { cached }) },
    ]),
  );
}
