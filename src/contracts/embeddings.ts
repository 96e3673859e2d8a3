/**
 * Embeddings: texts as vectors, near each other where the texts mean the same. What an endpoint for
 * them gives, and what is kept of it. Pure; `src/llm` has the client.
 */

/** The embeddings of a provider, as they are configured. */
export interface EmbeddingOptions {
  readonly model: string;
  /** Asked of the endpoint, where its model can be shortened. Default: what the model gives. */
  readonly dimensions?: number;
  /** Longest wait of a `recall` for the vector of its question, ms. Default 1,500. */
  readonly timeoutMs: number;
  /** A fact that is less similar than this to the question is not found by it, 0 to 1. Default 0.25. */
  readonly minSimilarity: number;
}

/** What one call has made of its texts. */
export interface Embeddings {
  /**
   * Names the vectors that these may be compared with: model and number of dimensions. An endpoint
   * may change the second without a word.
   */
  readonly space: string;
  /** In the order of the texts, of length 1. `undefined` for a text that has no direction. */
  readonly vectors: readonly (readonly number[] | undefined)[];
  /** As the provider reports them; otherwise estimated. */
  readonly tokens: number;
  /** Micro-dollars, whole; 0 for an unknown model. */
  readonly costMicros: number;
}

/** A client of one endpoint. */
export interface Embedder {
  readonly options: EmbeddingOptions;
  /**
   * One request, without a retry. Rejects with a `PerduraError` of a `Model.*` type, or with the
   * reason of the signal.
   */
  embed(texts: readonly string[], signal: AbortSignal): Promise<Embeddings>;
}

/** pgvector takes no more. */
export const MOST_DIMENSIONS = 16_000;
/**
 * Longest part of a text that is embedded, UTF-16 units: models take about 8,000 tokens, and a
 * character of some scripts is more than one.
 */
export const MOST_EMBEDDED_UNITS = 6_000;
/** Texts of one request. */
export const MOST_TEXTS = 64;
