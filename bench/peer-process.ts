/** A peer in a process and a database of its own, and how large its database has grown. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { Environment } from './environment.js';
import type { Contender } from './contender.js';

export const PEERS_FOLDER = fileURLToPath(new URL('./peers/', import.meta.url));
const NAMES = {
  langgraph: 'LangGraph JS, PostgresSaver',
  supervisor: 'LangGraph supervisor',
  dbos: 'DBOS',
} as const;

/** Resolves when the peer has made its tables and waits for turns. */
export async function startPeer(
  environment: Environment,
  peer: keyof typeof NAMES,
): Promise<Contender> {
  const database = `${environment.queues.perdura}_${peer}`.replaceAll('-', '_');
  await statement(environment.databaseUrl, `create database ${database}`);
  const url = new URL(environment.databaseUrl);
  url.pathname = `/${database}`;
  const child = fork(`${PEERS_FOLDER}peer.mjs`, [peer], {
    env: { ...process.env, BENCH_MODEL_URL: environment.modelUrl, DATABASE_URL: url.href },
    execArgv: [],
    // DBOS greets on stdout, which belongs to the table.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await message(child, peer);
  const before = await sizeOf(url.href, database);
  return {
    name: NAMES[peer],
    times: [],
    turn: async (text) => {
      child.send({ turn: text });
      const answer = await message(child, peer);
      if (!answer.text?.includes('42')) throw new Error(`${peer} answered "${answer.text}".`);
      return answer.ms!;
    },
    bytes: async () => ({
      databaseBytes: (await sizeOf(url.href, database)) - before,
      historyBytes: 0,
    }),
    stop: async () => {
      const gone = once(child, 'exit');
      child.send({});
      await gone;
      await statement(environment.databaseUrl, `drop database ${database} with (force)`);
    },
  };
}

async function message(child: ChildProcess, peer: string): Promise<{ ms?: number; text?: string }> {
  const settled = new AbortController();
  const { signal } = settled;
  const gone = once(child, 'exit', { signal }).then(() => {
    throw new Error(`The process of ${peer} has ended.`);
  });
  gone.catch(() => undefined);
  try {
    const heard = (await Promise.race([once(child, 'message', { signal }), gone])) as unknown[];
    return heard[0] as { ms?: number; text?: string };
  } finally {
    settled.abort();
  }
}

/** Tables with their indexes, of one schema or of a whole database. */
export async function sizeOf(url: string, database: string, schema?: string): Promise<number> {
  const text = schema
    ? `select sum(pg_total_relation_size(c.oid)) as bytes from pg_class c
         join pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'r' and n.nspname = '${schema}'`
    : `select pg_database_size('${database}') as bytes`;
  const [row] = await statement(url, text);
  return Number(row?.bytes ?? 0);
}

async function statement(url: string, text: string): Promise<{ bytes?: string }[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<{ bytes?: string }>(text)).rows;
  } finally {
    await client.end();
  }
}
