/**
 * `recall` by words, and by words and vectors where the database has pgvector, among 100 and among
 * 100,000 facts of one user, in a database that has the facts of others too. Questions in whole
 * sentences: some of their words are in many facts, one in few. The endpoint for embeddings is left
 * out: a question gets its vector in this process.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { openDatabase, type Database } from '../src/store/database.js';
import type { Embedder } from '../src/contracts/embeddings.js';
import { MemoryStore } from '../src/store/memory-store.js';
import { VectorMemory } from '../src/store/vector-memory.js';
import { vectorSupport, VectorStore } from '../src/store/vectors.js';
import { textEmbedding } from '../src/testing/text-embedding.js';
import { median, nowMs } from './statistics.js';

export interface RecallResults {
  readonly facts: number;
  /** Median of one call, ms. */
  readonly ms: number;
  readonly p99Ms: number;
  /** Of a question of which no fact has a word, ms. */
  readonly missMs: number;
  /** One write, ms. */
  readonly rememberMs: number;
  /** By words and vectors; absent without pgvector. */
  readonly vectors?: VectorResults;
}

export interface VectorResults {
  readonly dimensions: number;
  readonly ms: number;
  readonly p99Ms: number;
}

const COLOURS = ['red', 'blue', 'green', 'black', 'white', 'silver', 'golden', 'brown'];
const THINGS = ['bicycle', 'piano', 'boat', 'lamp', 'garden', 'ticket', 'letter', 'camera'];
const PLACES = ['harbour', 'market', 'station', 'library', 'bridge', 'school', 'office', 'beach'];
const OTHERS = 20;

export async function measureRecall(
  databaseUrl: string,
  tenant: string,
  { sizes, calls }: { sizes: readonly number[]; calls: number },
): Promise<RecallResults[]> {
  const database = openDatabase(databaseUrl, { maxConnections: 2, silenceMs: 0 });
  const results: RecallResults[] = [];
  try {
    for (let other = 0; other < OTHERS; other++)
      await fill(database, tenant, `other-${other}`, 500);
    for (const facts of sizes) {
      const user = `user-${facts}-${randomUUID()}`;
      await fill(database, tenant, user, facts);
      await sql`vacuum analyze perdura.memories`.execute(database.db);
      const words = await measure(database, { tenant, user }, facts, calls);
      const vectors = await measureVectors(database, { tenant, user }, facts, calls);
      results.push({ facts, ...words, ...(vectors ? { vectors } : {}) });
    }
  } finally {
    await sql`delete from perdura.memories where tenant = ${tenant}`.execute(database.db);
    await database.close();
  }
  return results;
}

async function measure(
  database: Database,
  of: { tenant: string; user: string },
  facts: number,
  calls: number,
) {
  const store = new MemoryStore(database);
  const owner = { ...of, agent: '' };
  const times: number[] = [];
  const writes: number[] = [];
  const misses: number[] = [];
  for (let i = 0; i < calls; i++) {
    const n = (i * 7919) % facts;
    const began = nowMs();
    const found = await store.recall(owner, `Where did I leave the ${thing(n)} number n${n}?`, 8);
    times.push(nowMs() - began);
    if (!found.some(({ key }) => key === `fact ${n}`)) throw new Error(`Fact ${n} was not found.`);
    const missed = nowMs();
    await store.recall(owner, 'Which submarine?', 8);
    misses.push(nowMs() - missed);
    const wrote = nowMs();
    await store.write(owner, { key: `new ${i}`, text: `A new fact about a ${thing(i)}.` });
    writes.push(nowMs() - wrote);
  }
  times.sort((a, b) => a - b);
  return {
    ms: median(times),
    p99Ms: times[Math.floor(times.length * 0.99)]!,
    missMs: median(misses),
    rememberMs: median(writes),
  };
}

const DIMENSIONS = 256;
const SPACE = `bench:${DIMENSIONS}`;
const embedder: Embedder = {
  options: { model: 'bench', timeoutMs: 60_000, minSimilarity: 0.25 },
  embed: (texts) =>
    Promise.resolve({
      space: SPACE,
      vectors: texts.map((text) => textEmbedding(text, DIMENSIONS)),
      tokens: 0,
      costMicros: 0,
    }),
};

async function measureVectors(
  database: Database,
  of: { tenant: string; user: string },
  facts: number,
  calls: number,
): Promise<VectorResults | undefined> {
  const support = await vectorSupport(database, { create: true });
  if ('missing' in support) return undefined;
  const owner = { ...of, agent: '' };
  const words = new MemoryStore(database);
  const store = new VectorStore(database, support.schema);
  const memory = new VectorMemory({ words, database, embedder });
  // Directions by chance, for all but the facts that are asked for.
  await sql`
    insert into perdura.memory_embeddings (tenant, user_id, agent, key, model, version, embedding)
      select tenant, user_id, agent, key, ${SPACE}, version,
          (select array_agg(random() - 0.5)
            from generate_series(1, ${DIMENSIONS} + 0 * m.version))
        from perdura.memories m where tenant = ${of.tenant} and user_id = ${of.user}`.execute(
    database.db,
  );
  await sql`vacuum analyze perdura.memory_embeddings`.execute(database.db);
  const times: number[] = [];
  for (let i = 0; i < calls; i++) {
    const n = (i * 7919) % facts;
    const key = `fact ${n}`;
    const { version, text } = (await words.get(owner, key))!;
    await sql`delete from perdura.memory_embeddings where tenant = ${of.tenant}
      and user_id = ${of.user} and agent = '' and key = ${key}`.execute(database.db);
    const vector = textEmbedding(text, DIMENSIONS);
    await store.put(SPACE, { owner, key, version, vector });
    const began = nowMs();
    const found = await memory.recall(owner, `Where did I leave the ${thing(n)} number n${n}?`, 8);
    times.push(nowMs() - began);
    if (!found.some((entry) => entry.key === key)) throw new Error(`Fact ${n} was not found.`);
  }
  times.sort((a, b) => a - b);
  const p99Ms = times[Math.floor(times.length * 0.99)]!;
  return { dimensions: DIMENSIONS, ms: median(times), p99Ms };
}

const thing = (n: number) => THINGS[n % THINGS.length]!;

/** In one statement each: written one by one, they would be what is measured. */
async function fill(database: Database, tenant: string, user: string, facts: number) {
  const list = (words: readonly string[]) => sql`${words}::text[]`;
  await sql`
    insert into perdura.memories (tenant, user_id, agent, key, kind, text, version)
      select ${tenant}, ${user}, '', 'fact ' || n, 'fact',
        'The ' || (${list(COLOURS)})[1 + (n / 8) % 8] || ' ' || (${list(THINGS)})[1 + n % 8]
          || ' number n' || n || ' is at the ' || (${list(PLACES)})[1 + (n / 64) % 8]
          || ', where the user has left it in the summer.',
        nextval('perdura.memory_versions')
      from generate_series(0, ${facts - 1}::int) n`.execute(database.db);
}
