/** `perdura/llm`: model clients without a session. Loads the `openai` package with the first client. */
export { createEmbedder } from './embeddings.js';
export { createLLMClient } from './openai-client.js';
export type { Embedder, EmbeddingOptions, Embeddings } from '../contracts/embeddings.js';
export type {
  LLMClient,
  ModelCallOptions,
  ModelRequest,
  ModelResponse,
  ModelTool,
  Provider,
} from '../contracts/llm.js';
