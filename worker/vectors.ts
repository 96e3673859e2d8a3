/** Memory by meaning, where the configuration has a model for embeddings. */
import type { ResolvedConfig } from '../src/contracts/config.js';
import type { ToolLogger } from '../src/contracts/tool.js';
import { createEmbedder } from '../src/llm/embeddings.js';
import type { Database } from '../src/store/database.js';
import { EmbeddingBackfill } from '../src/store/embedding-backfill.js';
import type { Memories } from '../src/store/stores.js';
import { VectorMemory } from '../src/store/vector-memory.js';

/** `undefined` where no provider has a model for embeddings. The backfill is started by the caller. */
export function vectorsOf(parts: {
  readonly config: Pick<ResolvedConfig, 'providers'>;
  readonly database: Database;
  readonly words: Memories;
  readonly log: ToolLogger;
}): { readonly memory: VectorMemory; readonly backfill: EmbeddingBackfill } | undefined {
  const { config, database, words, log } = parts;
  const provider = Object.values(config.providers).find(({ embeddings }) => embeddings);
  const embedder = provider && createEmbedder(provider);
  if (!embedder) return undefined;
  const backfill = new EmbeddingBackfill({ database, embedder, log });
  const onWritten = () => backfill.nudge();
  return { memory: new VectorMemory({ words, database, embedder, log, onWritten }), backfill };
}
