/** Memory by meaning, where the configuration has a model for embeddings. */
import type { Embedder } from '../src/contracts/embeddings.js';
import type { ResolvedConfig } from '../src/contracts/config.js';
import type { ToolLogger } from '../src/contracts/tool.js';
import { createEmbedder } from '../src/llm/embeddings.js';
import { openDatabase, type Database } from '../src/store/database.js';
import { EmbeddingBackfill } from '../src/store/embedding-backfill.js';
import type { Memories } from '../src/store/stores.js';
import { VectorMemory } from '../src/store/vector-memory.js';
import { vectorSupport } from '../src/store/vectors.js';

/** The client of the provider that has a model for embeddings; `undefined` where none has. */
export function embedderOf({ providers }: Pick<ResolvedConfig, 'providers'>): Embedder | undefined {
  const provider = Object.values(providers).find(({ embeddings }) => embeddings);
  return provider && createEmbedder(provider);
}

/** `undefined` where no provider has a model for embeddings. The backfill is started by the caller. */
export function vectorsOf(parts: {
  readonly config: Pick<ResolvedConfig, 'providers'>;
  readonly database: Database;
  readonly words: Memories;
  readonly log: ToolLogger;
}): { readonly memory: VectorMemory; readonly backfill: EmbeddingBackfill } | undefined {
  const { config, database, words, log } = parts;
  const embedder = embedderOf(config);
  if (!embedder) return undefined;
  const backfill = new EmbeddingBackfill({ database, embedder, log });
  const onWritten = () => backfill.nudge();
  return { memory: new VectorMemory({ words, database, embedder, log, onWritten }), backfill };
}

/** Whether memories are found by meaning, and why not. */
export interface VectorReport {
  readonly used: boolean;
  readonly detail: string;
  readonly remedy?: string;
}

const NOT_ASKED = 'memories are found by their words: no provider has a model for embeddings';
const PROBE_TIMEOUT_MS = 5_000;

/** Asks the database for pgvector, and the endpoint for one vector. Changes nothing; never rejects. */
export async function vectorReport(
  config: Pick<ResolvedConfig, 'providers'>,
  databaseUrl: string | undefined,
): Promise<VectorReport> {
  const embedder = embedderOf(config);
  if (!embedder) return { used: false, detail: NOT_ASKED };
  const unused = (detail: string, remedy: string): VectorReport => ({
    used: false,
    detail: `memories are found by their words alone: ${detail}`,
    remedy,
  });
  if (databaseUrl === undefined) {
    return unused(
      'the built-in PostgreSQL has no pgvector',
      'Set DATABASE_URL to a PostgreSQL with pgvector.',
    );
  }
  const database = openDatabase(databaseUrl, { maxConnections: 1 });
  try {
    const support = await vectorSupport(database).catch((error: unknown) => ({
      missing: messageOf(error),
      remedy: 'Check DATABASE_URL, and that PostgreSQL runs.',
    }));
    if ('missing' in support) return unused(support.missing, support.remedy);
    const { space } = await embedder.embed(['memory'], AbortSignal.timeout(PROBE_TIMEOUT_MS));
    const [model, dimensions] = [embedder.options.model, space.slice(space.lastIndexOf(':') + 1)];
    return {
      used: true,
      detail: `memories are found by meaning, too: ${model}, ${dimensions} dimensions, pgvector ${support.version}`,
    };
  } catch (error) {
    return unused(
      messageOf(error),
      "Check the provider's baseUrl, its key and the model of `embeddings`.",
    );
  } finally {
    await database.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
