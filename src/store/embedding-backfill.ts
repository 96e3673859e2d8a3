/**
 * Gives entries of memory their vectors: those that were just written, those whose embedding failed,
 * those of another model. Outside of any transaction, by one process at a time, which holds a lease.
 * Nothing needs to be handed over when it dies: what has no vector of its version is found again.
 */
import { randomUUID } from 'node:crypto';
import { MOST_TEXTS, type Embedder, type Embeddings } from '../contracts/embeddings.js';
import { PerduraError } from '../contracts/failures.js';
import type { ToolLogger } from '../contracts/tool.js';
import type { Database } from './database.js';
import {
  FIRST_PLACE,
  vectorSupport,
  VectorStore,
  type EntryPlace,
  type UnembeddedEntry,
} from './vectors.js';

/** Looks that often for what other processes have written, ms. */
const IDLE_MS = 5_000;
/** What is written together is embedded together, ms. */
const GATHER_MS = 50;
/** While another process has the lease, ms. */
const WAIT_MS = 1_000;
/** All entries are looked at again after so long, ms. */
const WALK_MS = 3_600_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Longer than a request and its writes take. */
const LEASE_SECONDS = 15;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 300_000;
/** A text that every model embeds. */
const PROBE = 'memory';
/** Entries whose embedding the endpoint refuses, so that they are not paid for again and again. */
const MOST_REFUSED = 10_000;

export interface BackfillParts {
  readonly database: Database;
  readonly embedder: Embedder;
  readonly log: Pick<ToolLogger, 'warn'>;
}

export class EmbeddingBackfill {
  readonly #parts: BackfillParts;
  readonly #holder = randomUUID();
  readonly #stopped = new AbortController();
  /** Versions of entries. */
  readonly #refused = new Set<number>();
  #space: string | undefined;
  /** When all entries were looked at. */
  #walkedAt = -Infinity;
  #wake: () => void = () => undefined;
  #woken = true;
  #pause = FIRST_PAUSE_MS;
  #running: Promise<void> | undefined;

  constructor(parts: BackfillParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Something was written. */
  nudge(): void {
    this.#woken = true;
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    let quiet = IDLE_MS;
    while (!this.#stopped.signal.aborted) {
      await this.#sleep(quiet);
      if (this.#stopped.signal.aborted) break;
      this.#woken = false;
      try {
        quiet = await this.#round();
        this.#pause = FIRST_PAUSE_MS;
      } catch (error) {
        if (this.#stopped.signal.aborted) break;
        // What was missed may be older than what is looked for at first.
        this.#walkedAt = -Infinity;
        const reason = error instanceof Error ? error.message : String(error);
        const seconds = this.#pause / 1_000;
        this.#parts.log.warn({ reason }, `memories get no vectors for ${seconds} s`);
        quiet = -this.#pause;
        this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
      }
    }
  }

  /** Embeds what there is. Answers with how long nothing need be done, ms. */
  async #round(): Promise<number> {
    const { database } = this.#parts;
    const support = await vectorSupport(database, { create: true });
    if ('missing' in support) return IDLE_MS;
    const vectors = new VectorStore(database, support.schema);
    // An endpoint may begin to give vectors of another size: then all are asked for again.
    this.#space ??= (await this.#embed([PROBE])).space;
    const space = this.#space;
    const walks = Date.now() - this.#walkedAt > WALK_MS;
    // An idle worker reads, and writes nothing.
    if (!walks && (await this.#pending(vectors, space)).length === 0) return IDLE_MS;
    if (!(await vectors.lease(space, this.#holder, LEASE_SECONDS))) return WAIT_MS;
    try {
      await this.#recent(vectors, space);
      if (walks) await this.#walk(vectors, space);
    } finally {
      await vectors.release(space, this.#holder).catch(() => undefined);
    }
    return this.#space === space ? IDLE_MS : 0;
  }

  async #recent(vectors: VectorStore, space: string): Promise<void> {
    while (this.#space === space) {
      const found = await this.#pending(vectors, space);
      if ((await this.#fill(vectors, space, found)) === 0) return;
    }
  }

  async #pending(vectors: VectorStore, space: string): Promise<UnembeddedEntry[]> {
    const found = await vectors.recent(space, MOST_TEXTS + this.#refused.size);
    return found.filter(({ version }) => !this.#refused.has(version));
  }

  async #walk(vectors: VectorStore, space: string): Promise<void> {
    const began = Date.now();
    for (let place: EntryPlace | undefined = FIRST_PLACE; place && this.#space === space;) {
      const page: { entries: UnembeddedEntry[]; next?: EntryPlace } = await vectors.after(
        space,
        place,
      );
      await this.#fill(vectors, space, page.entries);
      // Also where nothing was to be done: the walk may take longer than the lease.
      await this.#keepLease(vectors, space);
      place = page.next;
    }
    if (this.#space === space) this.#walkedAt = began;
  }

  /** Answers with how many vectors were made. */
  async #fill(
    vectors: VectorStore,
    space: string,
    found: readonly UnembeddedEntry[],
  ): Promise<number> {
    const entries = found.filter(({ version }) => !this.#refused.has(version));
    let made = 0;
    for (let from = 0; from < entries.length && this.#space === space; from += MOST_TEXTS) {
      await this.#keepLease(vectors, space);
      made += await this.#batch(vectors, space, entries.slice(from, from + MOST_TEXTS));
    }
    return made;
  }

  async #batch(
    vectors: VectorStore,
    space: string,
    entries: readonly UnembeddedEntry[],
  ): Promise<number> {
    let embeddings: Embeddings;
    try {
      embeddings = await this.#embed(entries.map(({ key, text }) => `${key}: ${text}`));
    } catch (error) {
      if (!isAboutTheText(error)) throw error;
      if (entries.length === 1) {
        // Where it takes no other text either, the text is not to blame: this rejects.
        await this.#embed([PROBE]);
        this.#refuse(entries[0]!.version);
        return 0;
      }
      // One of them is to blame: the others must not suffer for it.
      const half = Math.ceil(entries.length / 2);
      const first = await this.#batch(vectors, space, entries.slice(0, half));
      return first + (await this.#batch(vectors, space, entries.slice(half)));
    }
    await this.#charge(vectors, entries, embeddings);
    if (embeddings.space !== space) {
      this.#space = embeddings.space;
      this.#walkedAt = -Infinity;
      return 0;
    }
    let made = 0;
    for (const [i, { owner, key, version }] of entries.entries()) {
      const vector = embeddings.vectors[i];
      if (!vector) {
        this.#refuse(version);
        continue;
      }
      await vectors.put(space, { owner, key, version, vector });
      made += 1;
    }
    return made;
  }

  #embed(texts: readonly string[]): Promise<Embeddings> {
    const deadline = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    return this.#parts.embedder.embed(texts, AbortSignal.any([deadline, this.#stopped.signal]));
  }

  /** To each tenant its part of a request, by the length of the texts. */
  async #charge(
    vectors: VectorStore,
    entries: readonly UnembeddedEntry[],
    { space, tokens, costMicros }: Embeddings,
  ): Promise<void> {
    const shares = new Map<string, { texts: number; units: number }>();
    for (const { owner, text } of entries) {
      const { texts = 0, units = 0 } = shares.get(owner.tenant) ?? {};
      shares.set(owner.tenant, { texts: texts + 1, units: units + text.length });
    }
    const all = [...shares.values()].reduce((sum, { units }) => sum + units, 0);
    for (const [tenant, { texts, units }] of shares) {
      const part = units / Math.max(1, all);
      await vectors.charge(tenant, space, {
        texts,
        tokens: Math.round(tokens * part),
        costMicros: Math.round(costMicros * part),
      });
    }
  }

  async #keepLease(vectors: VectorStore, space: string): Promise<void> {
    this.#stopped.signal.throwIfAborted();
    if (await vectors.lease(space, this.#holder, LEASE_SECONDS)) return;
    throw new Error('another process embeds memories now');
  }

  #refuse(version: number): void {
    if (this.#refused.size >= MOST_REFUSED) this.#refused.clear();
    this.#refused.add(version);
  }

  /** Negative: so long also if something is written meanwhile. */
  #sleep(ms: number): Promise<void> {
    if (ms === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve();
      };
      let gathering = ms < 0;
      let timer = setTimeout(done, Math.abs(ms)).unref();
      this.#wake = () => {
        if (this.#stopped.signal.aborted) return done();
        if (gathering) return;
        gathering = true;
        clearTimeout(timer);
        timer = setTimeout(done, GATHER_MS).unref();
      };
      if (this.#woken) this.#wake();
    });
  }
}

/** Whether the endpoint would take another text. */
function isAboutTheText(error: unknown): boolean {
  return (
    error instanceof PerduraError &&
    ['Model.BadRequest', 'Model.ContextOverflow', 'Model.Refused'].includes(error.type)
  );
}
