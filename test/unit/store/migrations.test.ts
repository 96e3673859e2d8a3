/**
 * Databases in use have run the migrations as they were: one that is edited later would leave them
 * with a schema that no code expects, and nothing to tell it by.
 */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type Migration,
} from 'kysely';
import { expect, it } from 'vitest';

const FOLDER = new URL('../../../src/store/migrations/', import.meta.url);

/** SHA-256 of the statements of each migration, joined by newlines. */
const FROZEN: Record<string, string> = {
  '0001-sessions': '64e88d3488b7e6093fd24a161cc9b63d6fe8535451ae16e0f4b5fb4c11617806',
  '0002-functions': '893ba0f2041a74420363e6f538ae502c5bf7c232acdcd37d2af82c615b21f0e9',
  '0003-newest-summary': '9b40afd3315c4d67c8c751c1ecb5050e5027f627621b0c3eb6c079a62e8d61db',
  '0004-tool-run-tries': 'e0b35229edb8eb7b00be8e5fe169412366690164a073b118323530f4d0361bb3',
  '0005-agents': 'fb723093397befad8ebd79e06d730698fa48a6dfd147d14f9bbcdea77ade5ba1',
  '0006-tree': '1b2b73a35c72230124ca651af6789a533640e3a442eee4ecbab6f17c44f9879c',
  '0007-steer': '3e291f667b64b6d74008b428bb4875933ef0e1f68c3e4e6786a2bdd9192fc4c3',
  '0009-mail': '9136b6cedb00eca588cf3e67d5666ef4c3ffc9b6702c1f49b21f5d94463e1290',
  '0010-memory': 'c10e5fb7b83f6286cd59c6073da725042d5b326285e6f8684330f6e3137ac1a1',
  '0013-embeddings': '59face92e071b2b935379d3998ffd3d48f3f1d5f3371aaba9ca38fbda08b38fb',
  '0014-pools': '1b5dc350cbeca7d7c4996a10c70f6520ca0559cc9fe5c66302b334e3fd5ebe76',
  '0015-requests': '755b9f5f46a916a6efad6972ce3821c265d561115288439d6901981fd2dd8d3e',
  '0016-forks': '23e6f2eefa5fdb661720cbed72eafd1126f48fd6bc8d4a996bd2213cb74b75c2',
};

async function digestOf(name: string): Promise<string> {
  const statements: string[] = [];
  const recorder = new Kysely<unknown>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
    log: ({ query }) => void statements.push(query.sql),
  });
  const { up } = (await import(new URL(`${name}.ts`, FOLDER).href)) as Migration;
  await up(recorder);
  return createHash('sha256').update(statements.join('\n')).digest('hex');
}

const names = readdirSync(FOLDER).map((file) => file.replace(/\.ts$/, ''));

it('migrations: every one is frozen', () => {
  expect(Object.keys(FROZEN)).toEqual(names);
});

it.each(names)(
  'migration %s: edited → fails; a change of the schema is a new migration',
  async (name) => {
    expect(await digestOf(name)).toBe(FROZEN[name]);
  },
);
