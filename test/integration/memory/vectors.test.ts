/**
 * Memory that is found by what it means: on a PostgreSQL with pgvector, with the embeddings of the
 * scripted model, which make texts near that share parts of words.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { MemoryOwner } from '../../../src/contracts/memory.js';
import { createEmbedder } from '../../../src/llm/embeddings.js';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { EmbeddingBackfill } from '../../../src/store/embedding-backfill.js';
import { MemoryStore } from '../../../src/store/memory-store.js';
import { migrate } from '../../../src/store/migrate.js';
import { VectorMemory } from '../../../src/store/vector-memory.js';
import { vectorSupport } from '../../../src/store/vectors.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { schemaTablesHolding } from '../../support/canary.js';
import { execute, freshDatabase } from '../../support/databases.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';
import { startVectorPostgres, type VectorPostgres } from '../../support/vector-postgres.js';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const there = inject('pgvector') !== '';

let server: VectorPostgres;
let url: string;
let model: ScriptedModel;
const open: { close(): Promise<unknown> }[] = [];

beforeAll(async () => {
  model = await ScriptedModel.start();
  if (!there) return;
  server = await startVectorPostgres(inject('pgvector'));
  url = server.url;
  await migrate(url);
});
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
  model.embed(() => undefined);
});
afterAll(async () => {
  await server?.stop();
  await model?.stop();
});

/** The memory of a worker, and what gives its entries their vectors. */
function memoryOf(
  databaseUrl: string,
  options: { model?: string; dimensions?: number; timeoutMs?: number; start?: boolean } = {},
) {
  const { model: name = 'm', start = true, timeoutMs = 1_500, dimensions } = options;
  const database = openDatabase(databaseUrl, { maxConnections: 4 });
  const embedder = createEmbedder({
    api: 'chat',
    baseUrl: model.baseUrl,
    apiKey: 'test',
    stallTimeoutMs: 10_000,
    embeddings: {
      model: name,
      timeoutMs,
      minSimilarity: 0.25,
      ...(dimensions === undefined ? {} : { dimensions }),
    },
  })!;
  const words = new MemoryStore(database);
  const backfill = new EmbeddingBackfill({ database, embedder, log: SILENT });
  const memory = new VectorMemory({
    words,
    database,
    embedder,
    onWritten: () => backfill.nudge(),
  });
  if (start) backfill.start();
  open.push({
    close: async () => {
      await backfill.stop();
      await database.close();
    },
  });
  return { memory, words, database, backfill };
}

const ownerOf = (user = `user-${randomUUID()}`): MemoryOwner => ({ tenant: 't', user, agent: '' });

async function rows(database: Database, owner: MemoryOwner) {
  const found = await database.pool.query<{ key: string; model: string; version: string }>(
    `select key, model, version from perdura.memory_embeddings
      where tenant = $1 and user_id = $2 and agent = $3 order by key, model`,
    [owner.tenant, owner.user, owner.agent],
  );
  return found.rows;
}

/** Resolves when so many entries of the owner have a vector. */
const embedded = (database: Database, owner: MemoryOwner, count: number) =>
  eventually(async () => (await rows(database, owner)).length === count);

describe.runIf(there)('vectors', () => {
  it('pgvector: a question in other words → found by its vector; what both find is first; only the owner’s', async () => {
    const { memory, words, database } = memoryOf(url);
    const owner = ownerOf();
    const other = ownerOf();
    const elsewhere = { ...owner, tenant: 't2' };
    for (const [i, text] of [
      'Her favourite colour is green.',
      'The dog is called Rex.',
      'She works at the harbour.',
    ].entries()) {
      await memory.write(owner, { key: `fact ${i}`, text });
    }
    await memory.write(other, { key: 'theirs', text: 'His favourite colour is red.' });
    await memory.write(elsewhere, { key: 'far', text: 'Their favourite colour is blue.' });
    await embedded(database, owner, 3);
    await embedded(database, other, 1);
    await embedded(database, elsewhere, 1);
    const asked = 'favorite color';
    expect(await words.recall(owner, asked)).toEqual([]);
    const found = await memory.recall(owner, asked);
    expect(found.map(({ key }) => key)).toEqual(['fact 0']);
    expect(found[0]!.score).toBeGreaterThan(0);
    expect((await memory.recall(other, asked)).map(({ key }) => key)).toEqual(['theirs']);
    expect((await memory.recall(elsewhere, asked)).map(({ key }) => key)).toEqual(['far']);
    const both = await memory.recall(owner, 'What colour is the harbour? Green?');
    expect(both[0]!.key).toBe('fact 0');
    expect(both.map(({ key }) => key)).toContain('fact 2');
  });

  it('pgvector: a text replaced while the old one is embedded → only the vector of the new one counts', async () => {
    const { memory, database } = memoryOf(url);
    const owner = ownerOf();
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    model.embed(({ texts }) =>
      texts.some((text) => text.includes('Oslo')) ? held.then(() => undefined) : undefined,
    );
    const first = await memory.write(owner, { key: 'city', text: 'Lives in Oslo by the sea.' });
    await model.until(({ embedded: seen }) =>
      seen.some(({ texts }) => texts.some((text) => text.includes('Oslo'))),
    );
    if (first.outcome === 'conflict') throw new Error('conflict');
    const second = await memory.write(owner, {
      key: 'city',
      text: 'Lives in Marrakesh.',
      version: first.version,
    });
    release();
    if (second.outcome === 'conflict') throw new Error('conflict');
    await eventually(async () =>
      (await rows(database, owner)).some(({ version }) => Number(version) === second.version),
    );
    expect(await rows(database, owner)).toHaveLength(1);
    expect((await memory.recall(owner, 'marrakeshi'))[0]).toMatchObject({
      text: 'Lives in Marrakesh.',
    });
    expect(await memory.recall(owner, 'osloer')).toEqual([]);
  });

  it('pgvector: an endpoint that fails, hangs or answers nonsense → remember and recall go on by words; embedded later', async () => {
    const { memory, database } = memoryOf(url, { timeoutMs: 200 });
    const owner = ownerOf();
    const answers = [
      () => ({ status: 503 }),
      () => 'hang' as const,
      () => ({ vectors: [] }),
      () => ({ vectors: [[NaN]] }),
      () => ({ vectors: [[]] }),
      ({ texts }: { texts: readonly string[] }) => ({
        vectors: texts.map((_, i) => [1, i].slice(i)),
      }),
    ];
    model.embed(answers[0]!);
    await memory.write(owner, { key: 'first', text: 'Likes grey cats.' });
    for (const answer of answers) {
      model.embed(answer);
      // A memory of its own each time: one that has failed leaves the endpoint alone for a while.
      const { memory: asked } = memoryOf(url, { timeoutMs: 200, start: false });
      const began = performance.now();
      expect((await asked.recall(owner, 'Which cats?')).map(({ key }) => key)).toEqual(['first']);
      expect(performance.now() - began).toBeLessThan(2_000);
    }
    await memory.write(owner, { key: 'second', text: 'Likes tall trees.' });
    expect(await rows(database, owner)).toEqual([]);
    model.embed(() => undefined);
    // Another worker, which has not failed before, does not wait.
    memoryOf(url);
    await embedded(database, owner, 2);
  });

  it('pgvector: one text that the endpoint refuses, one without a direction → the others get their vectors', async () => {
    const owner = ownerOf();
    const { memory, database, backfill } = memoryOf(url, { start: false });
    for (let i = 0; i < 9; i++)
      await memory.write(owner, { key: `k${i}`, text: `Fact number ${i}.` });
    await memory.write(owner, { key: 'bad', text: 'unspeakable' });
    await memory.write(owner, { key: '…', text: '…' });
    model.embed(({ texts }) =>
      texts.some((text) => text.includes('unspeakable')) ? { status: 400 } : undefined,
    );
    backfill.start();
    await embedded(database, owner, 9);
    expect((await memory.recall(owner, 'unspeakable'))[0]!.key).toBe('bad');
  });

  it('pgvector: another model, another size → old vectors are not compared, all is embedded again', async () => {
    const owner = ownerOf();
    const before = memoryOf(url, { model: 'old' });
    await before.memory.write(owner, { key: 'colour', text: 'Her favourite colour is green.' });
    await embedded(before.database, owner, 1);
    await before.backfill.stop();
    // The same texts, of other vectors: compared with the old ones they would fit nothing.
    const after = memoryOf(url, { model: 'new', dimensions: 64, start: false });
    expect(await after.memory.recall(owner, 'favorite color')).toEqual([]);
    after.backfill.start();
    await embedded(after.database, owner, 2);
    expect((await rows(after.database, owner)).map(({ model: space }) => space)).toEqual([
      'new:64',
      'old:256',
    ]);
    expect(await after.memory.recall(owner, 'favorite color')).toHaveLength(1);
    // Who still has the old one finds by it, and by words alone what was written since.
    expect(await before.memory.recall(owner, 'favorite color')).toHaveLength(1);
    // The endpoint gives another size under the same name: also then.
    const wider = memoryOf(url, { model: 'new', dimensions: 128 });
    await eventually(async () =>
      (await rows(wider.database, owner)).some(({ model: space }) => space === 'new:128'),
    );
    expect(await wider.memory.recall(owner, 'favorite color')).toHaveLength(1);
  });

  it('pgvector: forgotten and erased → no vector is left, also of what is being embedded', async () => {
    const { memory, database } = memoryOf(url);
    const owner = ownerOf();
    const canary = `canary${randomUUID().replaceAll('-', '')}`;
    for (const key of ['a', 'b', 'c']) await memory.write(owner, { key, text: `${key} ${canary}` });
    await embedded(database, owner, 3);
    expect(await memory.forget(owner, { key: 'a' })).toBe(true);
    expect(await rows(database, owner)).toHaveLength(2);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    model.embed(() => held.then(() => undefined));
    await memory.write(owner, { key: 'd', text: `d ${canary}` });
    await model.until(({ embedded: seen }) =>
      seen.at(-1)!.texts.some((text) => text.startsWith('d:')),
    );
    await memory.eraseUser(owner.tenant, owner.user);
    model.embed(() => undefined);
    release();
    const marker = ownerOf();
    await memory.write(marker, { key: 'later', text: 'Written afterwards.' });
    await embedded(database, marker, 1);
    expect(await rows(database, owner)).toEqual([]);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    expect(await schemaTablesHolding(client, canary)).toEqual([]);
    await client.end();
  });

  it('pgvector: embedders that die and go on, all at the same moment → every entry one vector, each paid once', async () => {
    const fresh = await freshDatabase(url);
    await migrate(fresh.url);
    const owner = ownerOf();
    const { words, database } = memoryOf(fresh.url, { start: false });
    const FACTS = 300;
    for (let i = 0; i < FACTS; i++)
      await words.write(owner, { key: `k${i}`, text: `Fact ${i} here.` });
    // Of long ago: such entries are found by a walk through all of them.
    await execute(fresh.url, "update perdura.memories set updated_at = now() - interval '1 day'");
    const from = model.embedded.length;
    const all = [1, 2, 3].map(() => memoryOf(fresh.url));
    await eventually(async () => (await rows(database, owner)).length > 0);
    // Cut off in the middle, as a process is that ends.
    await all[0]!.backfill.stop();
    await embedded(database, owner, FACTS);
    const texts = model.embedded.slice(from).flatMap((each) => each.texts.slice());
    const doubled = texts.filter((text) => text !== 'memory').length - FACTS;
    console.log(`vectors: ${FACTS} entries, 3 embedders, 1 stopped, doubled ${doubled}`);
    // What was under way when it was stopped, and no more.
    expect(doubled).toBeLessThanOrEqual(64);
    const { rows: usage } = await database.pool.query<{ texts: string; tokens: string }>(
      'select sum(texts) as texts, sum(tokens) as tokens from perdura.embedding_usage',
    );
    expect(Number(usage[0]!.texts)).toBeGreaterThanOrEqual(FACTS);
    expect(Number(usage[0]!.tokens)).toBeGreaterThan(FACTS);
    for (const each of open.splice(0).reverse()) await each.close();
    await fresh.drop();
  });

  it('pgvector: garbage as a question → an answer, and no error', async () => {
    const { memory, database } = memoryOf(url);
    const owner = ownerOf();
    await memory.write(owner, { key: 'k', text: 'A fact with \u0007 and \ud83d\ude00.' });
    await embedded(database, owner, 1);
    for (const query of [
      '',
      ' ',
      '\ud800',
      '\u0000',
      '…',
      "'; drop table x --",
      'x'.repeat(100_000),
    ]) {
      expect(Array.isArray(await memory.recall(owner, query))).toBe(true);
    }
    for (const limit of [NaN, -1, 0, 1e9]) {
      expect((await memory.recall(owner, 'facts', limit)).length).toBeLessThanOrEqual(50);
    }
  });

  it('pgvector: a user who may not create the extension → by words, and it is said who may', async () => {
    const fresh = await freshDatabase(url);
    const role = `weak_${randomUUID().slice(0, 8)}`;
    await execute(fresh.url, `create role ${role} login password 'weak'`);
    const weak = new URL(fresh.url);
    weak.username = role;
    weak.password = 'weak';
    const database = openDatabase(weak.href, { maxConnections: 1 });
    expect(await vectorSupport(database, { create: true })).toMatchObject({
      missing: expect.stringMatching(/does not use it yet \(42501\)/) as string,
      remedy: expect.stringContaining('as a superuser') as string,
    });
    await execute(fresh.url, 'create schema apart; create extension vector schema apart');
    expect(await vectorSupport(database)).toMatchObject({ schema: 'apart' });
    await database.close();
    // In a schema of its own, which is on no search path.
    await migrate(fresh.url);
    const { memory, database: own } = memoryOf(fresh.url);
    const owner = ownerOf();
    await memory.write(owner, { key: 'colour', text: 'Her favourite colour is green.' });
    await embedded(own, owner, 1);
    expect(await memory.recall(owner, 'favorite color')).toHaveLength(1);
    for (const each of open.splice(0).reverse()) await each.close();
    await fresh.drop();
    await execute(url, `drop role ${role}`);
  });

  it('pgvector: an agent’s tools → what it remembers is recalled by meaning in another session', async () => {
    const h = await Harness.start({
      databaseUrl: url,
      embeddings: {},
      agent: { memory: { scope: 'user', recallAtStart: 1 } },
    });
    open.push({ close: () => h.stop() });
    const call = async (context: object, name: string, args: object) => {
      const session = await h.runtime.start({ context });
      h.model.enqueue({ toolCalls: [{ name, arguments: args }] }, 'Done.');
      await session.ask(`use ${name}`);
      return JSON.stringify(await session.transcript());
    };
    const context = { user: 'vera' };
    await call(context, 'remember', { key: 'colour', text: 'Her favourite colour is green.' });
    const database = openDatabase(url, { maxConnections: 1 });
    open.push(database);
    await embedded(database, { tenant: h.tenant, user: 'vera', agent: '' }, 1);
    const args = { query: 'favorite color' };
    expect(await call(context, 'recall', args)).toContain('colour is green');
    expect(await call({ user: 'ver' }, 'recall', args)).toContain('Nothing is remembered');
    const session = await h.runtime.start({ context });
    h.model.enqueue('Green.');
    await session.ask('favorite color?');
    expect(JSON.stringify(h.model.requests.at(-1)!.body)).toContain('colour is green');
  });
});

it('vectors: a PostgreSQL without pgvector → words alone, nothing is paid, and it is said why', async () => {
  await migrate(inject('databaseUrl'));
  const { memory, database } = memoryOf(inject('databaseUrl'));
  const owner = ownerOf();
  const from = model.embedded.length;
  await memory.write(owner, { key: 'colour', text: 'Her favourite colour is green.' });
  expect(await memory.recall(owner, 'colour')).toHaveLength(1);
  expect(await memory.recall(owner, 'favorite color')).toEqual([]);
  expect(await vectorSupport(database, { create: true })).toMatchObject({
    missing: expect.stringContaining('not installed') as string,
  });
  expect(model.embedded.length).toBe(from);
});
