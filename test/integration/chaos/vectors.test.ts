/**
 * Worker processes are killed in the middle of embedding what a user’s sessions remember. Then every
 * fact has its vector, once; nobody else finds it; erased, nothing is left.
 *
 *     PERDURA_VECTOR_KILLS=20 npx vitest run chaos/vectors
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { AgentRuntime } from '../../../src/client/agent-runtime.js';
import { migrate } from '../../../src/store/migrate.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { schemaTablesHolding } from '../../support/canary.js';
import { eventually } from '../../support/observe.js';
import { startVectorPostgres, type VectorPostgres } from '../../support/vector-postgres.js';
import { WorkerProcesses } from '../../support/worker-process.js';

const KILLS = Number(process.env.PERDURA_VECTOR_KILLS ?? 3);
const FACTS = 60;
const name = `v${randomBytes(5).toString('hex')}`;
const canary = `canary${randomBytes(8).toString('hex')}`;

describe.runIf(inject('pgvector') !== '')('vectors under kills', () => {
  let server: VectorPostgres;
  let model: ScriptedModel;
  let runtime: AgentRuntime;
  let database: pg.Client;
  let processes: WorkerProcesses | undefined;
  let kills = 0;

  beforeAll(async () => {
    server = await startVectorPostgres(inject('pgvector'));
    await migrate(server.url);
    model = await ScriptedModel.start();
    model.reply(/^keep/, ({ lastUserText, messages }) => {
      if (messages.at(-1)!.role === 'tool') return 'Kept.';
      const args = { key: lastUserText, text: `${lastUserText}: the harbour of ${canary}.` };
      return { toolCalls: [{ name: 'remember', arguments: args }] };
    });
    model.reply(/^find/, ({ messages }) =>
      messages.at(-1)!.role === 'tool'
        ? `told: ${messages.at(-1)!.text}`
        : { toolCalls: [{ name: 'recall', arguments: { query: 'harbours', limit: 50 } }] },
    );
    // Either of the two may be the one that asks, so both die, before they have an answer.
    model.embed(({ texts }) => {
      const ready = processes!.workers.filter(
        (worker) => worker.pid !== undefined && worker.isReady,
      );
      if (kills < KILLS && texts.some((text) => text.startsWith('keep')) && ready.length > 0) {
        kills += 1;
        for (const worker of ready) worker.kill('SIGKILL');
      }
      return undefined;
    });
    processes = await WorkerProcesses.start({
      modelUrl: model.baseUrl,
      taskQueue: name,
      config: 'vector-memory.config.ts',
      databaseUrl: server.url,
    });
    ({ runtime } = processes);
    database = new pg.Client({ connectionString: server.url });
    await database.connect();
  });
  afterAll(async () => {
    await processes?.stop();
    await database?.end();
    await model?.stop();
    await server?.stop();
  });

  it(
    `pgvector: at least ${FACTS} facts are remembered while workers die ${KILLS} times → each has its vector; nobody else’s; erased`,
    { timeout: 240_000 },
    async () => {
      const session = await runtime.start({ context: { user: 'alice' } });
      // Until all have died: what is remembered is what makes them embed.
      let facts = 0;
      for (; facts < FACTS || kills < KILLS; facts++) await session.ask(`keep ${facts}`);
      const missing = async () => {
        const { rows } = await database.query<{ missing: string }>(
          `select count(*) filter (where e.key is null) as missing from perdura.memories m
            left join perdura.memory_embeddings e using (tenant, user_id, agent, key, version)`,
        );
        return Number(rows[0]!.missing);
      };
      expect(await runtime.memory.list({ user: 'alice', limit: 1_000 })).toHaveLength(facts);
      await eventually(async () => (await missing()) === 0, 60_000);
      const paid = model.embedded.flatMap(({ texts }) =>
        texts.filter((text) => text.startsWith('keep')),
      ).length;
      console.log(
        `vectors: ${facts} facts, ${kills} kills, lost 0, embedded again ${paid - facts}`,
      );
      const find = async (of: AgentRuntime, user: string) =>
        (await (await of.start({ context: { user } })).ask('find')).text;
      expect(await find(runtime, 'alice')).toContain(canary);
      expect(await find(runtime, 'bob')).not.toContain(canary);
      expect(await find(runtime.forTenant(`${name}-b`), 'alice')).not.toContain(canary);
      await runtime.memory.erase({ user: 'alice' });
      expect(await schemaTablesHolding(database, canary)).toEqual([]);
      const { rows } = await database.query('select from perdura.memory_embeddings');
      expect(rows).toHaveLength(0);
    },
  );
});
