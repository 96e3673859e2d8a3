/**
 * Two sessions of one user write 200 facts at the same time, some of them under the same keys, while
 * worker processes are killed. Then everything is counted, and erased.
 *
 *     PERDURA_MEMORY_KILLS=40 npx vitest run chaos/memory
 */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { AgentRuntime } from '../../../src/client/agent-runtime.js';
import type { Session } from '../../../src/client/session.js';
import { migrate } from '../../../src/store/migrate.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { ScriptedModel, type SeenRequest } from '../../../src/testing/scripted-model.js';
import { schemaTablesHolding } from '../../support/canary.js';
import { WorkerProcesses } from '../../support/worker-process.js';

const KILLS = Number(process.env.PERDURA_MEMORY_KILLS ?? 8);
const BATCHES = 20;
const BATCH = 5;
/** The first fact of each batch has the same key in both sessions. */
const WRITERS = ['red', 'blue'] as const;
const FACTS = WRITERS.length * BATCHES * BATCH;
const name = `m${randomBytes(5).toString('hex')}`;
const canary = `canary${randomBytes(8).toString('hex')}`;

const keyOf = (writer: string, batch: number, i: number) =>
  i === 0 ? `shared ${batch}` : `${writer} ${batch}.${i}`;
const textOf = (writer: string, batch: number, i: number) =>
  `The ${writer} fact ${batch}.${i} of ${canary}.`;

/** Decided by the request alone, so that a retry decides the same. */
function answer({ lastUserText, messages }: SeenRequest) {
  const recalled = /^recall/.test(lastUserText);
  const results = messages.slice(messages.findLastIndex(({ role }) => role === 'user') + 1);
  const said = results.filter(({ role }) => role === 'tool').map(({ text }) => text);
  if (recalled) {
    return said.length > 0
      ? `told: ${said.join()}`
      : { toolCalls: [{ name: 'recall', arguments: { query: 'red fact', limit: 50 } }] };
  }
  const [, writer = '', batch = '0'] = /(\w+) (\d+)/.exec(lastUserText) ?? [];
  if (said.length === 0) {
    const toolCalls = Array.from({ length: BATCH }, (_, i) => ({
      name: 'remember',
      arguments: { key: keyOf(writer, Number(batch), i), text: textOf(writer, Number(batch), i) },
    }));
    return { toolCalls };
  }
  // Another session was first with the shared key: this one keeps its fact beside it.
  const refused = said.some((text) => /^Not written/.test(text));
  if (!refused || said.length > BATCH) return 'kept';
  const args = { key: `${writer} ${batch}.0`, text: textOf(writer, Number(batch), 0) };
  return { toolCalls: [{ name: 'remember', arguments: args }] };
}

describe('memory under kills', () => {
  let model: ScriptedModel;
  let runtime: AgentRuntime;
  let database: pg.Client;
  let processes: WorkerProcesses | undefined;
  let requests = 0;
  let kills = 0;

  /** Each time that so much has happened: no clock decides. */
  const progressed = () => {
    requests += 1;
    const expected = WRITERS.length * BATCHES * 2;
    if (kills >= KILLS || requests < ((kills + 1) * expected) / (KILLS + 3)) return;
    const alive = processes!.workers.filter((worker) => worker.pid !== undefined && worker.isReady);
    const victim = alive[kills % alive.length];
    if (!victim) return;
    kills += 1;
    victim.kill('SIGKILL');
  };

  beforeAll(async () => {
    await migrate(inject('databaseUrl'));
    model = await ScriptedModel.start();
    model.reply(/./, (request) => {
      const reply = answer(request);
      // Some die before the answer comes, some in the middle of the writes that follow it.
      if (requests % 2 === 0) progressed();
      else setTimeout(progressed, requests % 7);
      return reply;
    });
    processes = await WorkerProcesses.start({
      modelUrl: model.baseUrl,
      taskQueue: name,
      config: 'memory.config.ts',
    });
    ({ runtime } = processes);
    database = new pg.Client({ connectionString: inject('databaseUrl') });
    await database.connect();
  });
  afterAll(async () => {
    await processes?.stop();
    await database?.end();
    await model?.stop();
  });

  it(
    `M9 memory: two sessions of a user write ${FACTS} facts over ${KILLS} kills → all there, once; nobody else’s; erased from every table`,
    { timeout: 240_000 },
    async () => {
      const context = { user: 'alice' };
      const sessions: Session[] = [];
      for (const writer of WRITERS) {
        sessions.push(await runtime.start({ session: writer, context }));
      }
      const asked = async (session: Session, writer: string) => {
        for (let batch = 0; batch < BATCHES; batch++) {
          await session.ask({ id: `${writer}-${batch}`, text: `keep ${writer} ${batch}` });
        }
      };
      await Promise.all(sessions.map((session, i) => asked(session, WRITERS[i]!)));

      const entries = await runtime.memory.list({ user: 'alice', limit: 1_000 });
      const texts = entries.map(({ text }) => text).sort();
      const wanted = WRITERS.flatMap((writer) =>
        Array.from({ length: BATCHES * BATCH }, (_, n) =>
          textOf(writer, Math.floor(n / BATCH), n % BATCH),
        ),
      ).sort();
      const doubled = texts.length - new Set(texts).size;
      const lost = wanted.filter((text) => !texts.includes(text)).length;
      const shared = entries.filter(({ key }) => key.startsWith('shared ')).length;
      console.log(
        `memory: ${FACTS} facts, ${kills} kills, lost ${lost} · doubled ${doubled}, ${shared} keys contested, restarts ${processes!.workers.map(({ restarts }) => restarts).join('+')}`,
      );
      expect({ lost, doubled, shared }).toEqual({ lost: 0, doubled: 0, shared: BATCHES });
      expect(texts).toEqual(wanted);
      expect(kills).toBe(KILLS);

      const recall = async (of: AgentRuntime, user: string) =>
        (await (await of.start({ context: { user } })).ask('recall')).text;
      expect(await recall(runtime, 'alice')).toContain(canary);
      expect(await recall(runtime, 'bob')).not.toContain(canary);
      expect(await recall(runtime.forTenant(`${name}-b`), 'alice')).not.toContain(canary);

      for (const session of sessions) {
        const handle = runtime.temporal.workflow.getHandle(session.workflowId);
        await replayHistory(await handle.fetchHistory(), { workflowId: session.workflowId });
      }

      expect(await schemaTablesHolding(database, canary)).toContain('memories');
      expect(await runtime.memory.erase({ user: 'alice' })).toMatchObject({
        entries: FACTS,
        sessions: WRITERS.length + 1,
      });
      expect(await schemaTablesHolding(database, canary)).toEqual([]);
    },
  );
});
