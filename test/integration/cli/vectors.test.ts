/** What `perdura doctor` says of vectors, and `perdura memory recall` with them; compiled. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../../src/store/database.js';
import { Cli, type Ended } from '../../support/cli.js';
import { execute } from '../../support/databases.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { startVectorPostgres, type VectorPostgres } from '../../support/vector-postgres.js';

interface Check {
  readonly name: string;
  readonly detail: string;
  readonly remedy?: string;
}

const folder = temporaryFolder();
let h: Harness;
let server: VectorPostgres | undefined;
beforeAll(async () => {
  if (inject('pgvector') !== '') server = await startVectorPostgres(inject('pgvector'));
  h = await Harness.start({
    start: false,
    embeddings: {},
    ...(server ? { databaseUrl: server.url } : {}),
  });
  await writeConfig('plain', '');
  await writeConfig('with', `embeddings: 'embedding-test'`);
  await writeConfig('wrong', `baseUrl: 'http://127.0.0.1:9/v1', embeddings: 'embedding-test'`);
});
afterAll(async () => {
  await h?.stop();
  await server?.stop();
});

async function writeConfig(name: string, provider: string) {
  await mkdir(join(folder, name));
  await writeFile(
    join(folder, name, 'perdura.config.mjs'),
    `export default { providers: { default: { ${provider} } },
      agents: [{ name: 'assistant', instructions: 'You are a test.', memory: true }] };`,
  );
}

function perdura(where: string, databaseUrl: string, ...argv: string[]): Promise<Ended> {
  const cli = new Cli(argv, {
    cwd: join(folder, where),
    env: {
      TEMPORAL_ADDRESS: inject('temporalAddress'),
      DATABASE_URL: databaseUrl,
      OPENAI_BASE_URL: h.model.baseUrl,
      OPENAI_API_KEY: 'test',
      PERDURA_TENANT: h.tenant,
      PERDURA_TASK_QUEUE: h.taskQueue,
    },
  });
  onTestFinished(() => cli.kill());
  return cli.close().ended;
}

async function vectors(where: string, databaseUrl: string): Promise<Check> {
  const { out } = await perdura(where, databaseUrl, 'doctor', '--json');
  return (JSON.parse(out) as Check[]).find(({ name }) => name === 'Vectors')!;
}

it('doctor: no model for embeddings, or no pgvector → says that words find memories, and what to do', async () => {
  const plain = await vectors('plain', inject('databaseUrl'));
  expect(plain.detail).toContain('no provider has a model for embeddings');
  expect(plain.remedy).toBeUndefined();
  const without = await vectors('with', inject('databaseUrl'));
  expect(without.detail).toContain('words alone: pgvector is not installed');
  expect(without.remedy).toContain('CREATE EXTENSION vector');
});

describe.runIf(inject('pgvector') !== '')('with pgvector', () => {
  it('pgvector: doctor says what is missing, then that vectors are used; memory recall uses them', async () => {
    const { url } = server!;
    expect((await vectors('with', url)).detail).toContain('does not use it yet');
    await h.startWorker();
    const user = 'alice';
    await h.runtime.memory.remember({
      user,
      key: 'colour',
      text: 'Her favourite colour is green.',
    });
    const database = openDatabase(url, { maxConnections: 1 });
    onTestFinished(() => database.close());
    await eventually(async () => {
      const { rowCount } = await database.pool.query('select from perdura.memory_embeddings');
      return rowCount === 1;
    });
    expect((await vectors('with', url)).detail).toMatch(
      /found by meaning, too: embedding-test, 256 dimensions, pgvector \d/,
    );
    const wrong = await vectors('wrong', url);
    expect(wrong.detail).toContain('words alone: embedding-test at 127.0.0.1:9 cannot be reached');
    expect(wrong.remedy).toContain('baseUrl');
    const recall = ['memory', 'recall', 'favorite', 'color', '-u', user];
    expect((await perdura('with', url, ...recall)).out).toContain('colour is green');
    expect(await perdura('plain', url, ...recall)).toMatchObject({ code: 1 });
    expect(await perdura('wrong', url, ...recall)).toMatchObject({ code: 1 });
    await h.stopWorker();
    await execute(url, 'drop extension vector');
    expect((await vectors('with', url)).detail).toContain('does not use it yet');
    expect((await perdura('with', url, 'memory', 'recall', 'green', '-u', user)).code).toBe(0);
  });
});
