/**
 * Memory that is found by what it means as well as by its words, where the database has pgvector and
 * there is an endpoint for embeddings. Neither of them ever stands in the way: what fails or takes too
 * long is left out, and the words find what they find.
 */
import type { Embedder } from '../contracts/embeddings.js';
import {
  DEFAULT_RECALLED,
  MOST_MEMORY_QUERY_UNITS,
  MOST_RECALLED,
  type MemoryEntry,
  type MemoryOwner,
} from '../contracts/memory.js';
import { clip, wellFormed } from '../contracts/text.js';
import type { ToolLogger } from '../contracts/tool.js';
import type { Database } from './database.js';
import { EmbeddingPause } from './embedding-pause.js';
import type { Memories } from './stores.js';
import { vectorSupport, VectorStore, type VectorSupport } from './vectors.js';

/** A database without pgvector is asked again after so long, ms: an operator may have made it. */
const SUPPORT_FOR_MS = 60_000;

export interface VectorMemoryParts {
  /** Finds by words, and keeps everything. */
  readonly words: Memories;
  readonly database: Database;
  readonly embedder: Embedder;
  readonly log?: Pick<ToolLogger, 'warn'>;
  /** Something was written that may want a vector. Must not throw. */
  readonly onWritten?: () => void;
}

export class VectorMemory implements Memories {
  readonly #parts: VectorMemoryParts;
  readonly #pause = new EmbeddingPause();
  #support: { readonly found: Promise<VectorSupport>; readonly until: number } | undefined;

  constructor(parts: VectorMemoryParts) {
    this.#parts = parts;
  }

  readonly get: Memories['get'] = (...args) => this.#parts.words.get(...args);
  readonly list: Memories['list'] = (...args) => this.#parts.words.list(...args);
  readonly forget: Memories['forget'] = (...args) => this.#parts.words.forget(...args);
  readonly eraseUser: Memories['eraseUser'] = (...args) => this.#parts.words.eraseUser(...args);
  readonly eraseOwner: Memories['eraseOwner'] = (...args) => this.#parts.words.eraseOwner(...args);

  /** As it is without vectors: the entry gets its vector later (`embedding-backfill.ts`). */
  readonly write: Memories['write'] = async (...args) => {
    const written = await this.#parts.words.write(...args);
    if (written.outcome !== 'conflict') this.#parts.onWritten?.();
    return written;
  };

  /** The entries that fit best, by words and by meaning. */
  async recall(
    owner: MemoryOwner,
    query: string,
    limit = DEFAULT_RECALLED,
  ): Promise<MemoryEntry[]> {
    const most = Math.min(MOST_RECALLED, Math.max(1, Math.floor(limit)));
    const [words, near] = await Promise.all([
      this.#parts.words.recall(owner, query, MOST_RECALLED),
      this.#near(owner, query),
    ]);
    return near.length === 0 ? words.slice(0, most) : fuse([words, near]).slice(0, most);
  }

  /** Never rejects, and resolves by the deadline. */
  async #near(owner: MemoryOwner, query: string): Promise<MemoryEntry[]> {
    const asked = wellFormed(clip(query, MOST_MEMORY_QUERY_UNITS)).replaceAll('\ufffd', ' ').trim();
    if (asked === '' || this.#pause.on) return [];
    const { timeoutMs } = this.#parts.embedder.options;
    const abort = new AbortController();
    const late = new Error(`No vector within ${timeoutMs} ms.`);
    const timer = setTimeout(() => abort.abort(late), timeoutMs);
    const stopped = new Promise<never>((_, reject) => {
      abort.signal.addEventListener('abort', () => reject(late), { once: true });
    });
    try {
      return await Promise.race([this.#search(owner, asked, abort.signal), stopped]);
    } catch (error) {
      const ms = this.#pause.failed();
      const reason = error instanceof Error ? error.message : String(error);
      this.#parts.log?.warn({ reason }, `memories are found by words alone for ${ms / 1_000} s`);
      return [];
    } finally {
      clearTimeout(timer);
    }
  }

  async #search(owner: MemoryOwner, asked: string, signal: AbortSignal): Promise<MemoryEntry[]> {
    const { database, embedder } = this.#parts;
    const support = await this.#supported();
    if ('missing' in support) return [];
    const vectors = new VectorStore(database, support.schema);
    // A question to an empty memory costs nothing.
    if (!(await vectors.any(owner))) return [];
    const { space, tokens, costMicros, vectors: made } = await embedder.embed([asked], signal);
    this.#pause.succeeded();
    // It was paid for, whatever comes of it; nobody waits for the note.
    void vectors
      .charge(owner.tenant, space, { texts: 1, tokens, costMicros })
      .catch(() => undefined);
    const [vector] = made;
    if (!vector) return [];
    const least = embedder.options.minSimilarity;
    return vectors.nearest(owner, { space, vector }, { limit: MOST_RECALLED, least });
  }

  #supported(): Promise<VectorSupport> {
    const known = this.#support;
    if (known && known.until > Date.now()) return known.found;
    const found = vectorSupport(this.#parts.database);
    this.#support = { found, until: Date.now() + SUPPORT_FOR_MS };
    found.catch(() => (this.#support = undefined));
    return found;
  }
}

/**
 * Reciprocal rank fusion, with the constant of its authors (Cormack, Clarke, Büttcher: "Reciprocal
 * rank fusion outperforms Condorcet and individual rank learning methods", SIGIR 2009). The scores of
 * words and of vectors have no common measure; ranks have, and what both find comes first.
 */
const RANK_CONSTANT = 60;

/** One list of several, each best first. What is in several counts for all of them. */
export function fuse(lists: readonly (readonly MemoryEntry[])[]): MemoryEntry[] {
  const fused = new Map<string, { entry: MemoryEntry; score: number }>();
  for (const list of lists) {
    for (const [rank, entry] of list.entries()) {
      const score = 1 / (RANK_CONSTANT + rank + 1);
      const known = fused.get(entry.key);
      // Read at two moments: the newer version is what is there.
      const newest = known && known.entry.version > entry.version ? known.entry : entry;
      fused.set(entry.key, { entry: newest, score: (known?.score ?? 0) + score });
    }
  }
  return [...fused.values()]
    .sort((a, b) => b.score - a.score || (a.entry.key < b.entry.key ? -1 : 1))
    .map(({ entry, score }) => ({ ...entry, score }));
}
