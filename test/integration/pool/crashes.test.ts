/** What comes of slots when their holders die: workers, workflows, and whoever had to tell of a slot. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import pg from 'pg';
import { AgentRuntime } from '../../../src/client/agent-runtime.js';
import type { AgentPool } from '../../../src/client/agent-pool.js';
import { compiledModule } from '../../../src/stack/compiled.js';
import { supervise, type SupervisedProcess } from '../../../src/stack/process-supervisor.js';
import { openDatabase } from '../../../src/store/database.js';
import { migrate } from '../../../src/store/migrate.js';
import { PoolStore } from '../../../src/store/pool-store.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { GatedModel } from '../../support/gated-model.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';
import { workerProcessEnvironment } from '../../support/worker-process.js';

const nameOf = () => `p${randomBytes(6).toString('hex')}`;
const state = async (pool: AgentPool) => {
  const { atWork, waiting } = await pool.status();
  return { atWork, waiting };
};
const line = (pool: AgentPool, count: number) =>
  eventually(async () => (await state(pool)).waiting === count);

beforeAll(() => migrate(inject('databaseUrl')));

describe('a worker', () => {
  let model: ScriptedModel;
  let runtime: AgentRuntime;
  let worker: SupervisedProcess;
  afterEach(async () => {
    await worker?.stop();
    await runtime?.close();
    await model?.stop();
  });

  it('H9 killed at work, and its session terminated → the slot comes back when its lease ends; one that goes on keeps its own', async () => {
    const name = nameOf();
    model = await ScriptedModel.start();
    const gate = new GatedModel(model);
    worker = await supervise({
      name: 'pool-worker',
      module: compiledModule('worker/main.js'),
      environment: () => ({
        ...workerProcessEnvironment({
          modelUrl: model.baseUrl,
          taskQueue: name,
          config: 'pool.config.ts',
        }),
        TEST_POOL: name,
      }),
    });
    runtime = await AgentRuntime.connect({
      temporalAddress: inject('temporalAddress'),
      databaseUrl: inject('databaseUrl'),
      tenant: name,
      taskQueue: name,
    });
    const pool = runtime.pool(name);
    await pool.setLimits({ maxAtWork: 2 });
    const dead = await runtime.start({ message: 'dead' });
    await gate.atWork('dead');
    const alive = await runtime.start({ message: 'alive' });
    await gate.atWork('alive', 'dead');
    await runtime.start({ message: 'next' });
    await line(pool, 1);

    // Both calls die with the worker; the model's server is told by their connections.
    worker.kill('SIGKILL');
    await runtime.temporal.workflow.getHandle(dead.workflowId).terminate();
    const [gone, call] = [gate.open.get('dead')!, gate.open.get('alive')!];
    gone();
    // The session goes on with its slot: nobody else may work before the other's lease ends.
    await eventually(() => gate.open.has('alive') && gate.open.get('alive') !== call, 40_000);
    call();
    expect(await state(pool)).toEqual({ atWork: 2, waiting: 1 });
    expect(gate.open.has('next')).toBe(false);
    const began = performance.now();
    await eventually(() => gate.open.has('next'), 60_000);
    console.log(
      `the slot of a terminated session came back after ${Math.round((performance.now() - began) / 1_000)} s more`,
    );
    gate.release();
    await eventually(async () => (await state(pool)).atWork === 0);
    expect((await alive.timeline()).turns[0]!.outcome).toBe('completed');
  }, 150_000);
});

describe('a slot', { timeout: 120_000 }, () => {
  let h: Harness;
  let gate: GatedModel;
  afterEach(async () => {
    gate.release();
    await h.stop();
  });

  const start = async (settings: { poolLeaseMs?: number } = {}) => {
    const name = nameOf();
    h = await Harness.start({
      agent: { pool: { name } },
      pools: { [name]: { maxAtWork: 1 } },
      settings,
    });
    gate = new GatedModel(h.model);
    const pool = h.runtime.pool(name);
    const first = await h.runtime.start({ message: 'first' });
    await gate.atWork('first');
    const second = await h.runtime.start({ message: 'second' });
    await line(pool, 1);
    return { pool, first, second };
  };

  it('H9 given by a process that died before it could tell → a worker tells of it', async () => {
    const { pool } = await start();
    // Its own process: it commits the change, and tells nobody.
    const database = openDatabase(inject('databaseUrl'), { maxConnections: 1 });
    await new PoolStore(database).change(pool.name, { maxAtWork: 2 });
    await database.close();
    expect(await state(pool)).toEqual({ atWork: 2, waiting: 0 });
    await gate.atWork('first', 'second');
  });

  it('H9 given to a session that was terminated in line → goes to the next at once', async () => {
    const { pool, second } = await start();
    await h.runtime.start({ message: 'third' });
    await line(pool, 2);
    await h.runtime.temporal.workflow.getHandle(second.workflowId).terminate();
    gate.answer('first');
    await gate.atWork('third');
    expect(await state(pool)).toEqual({ atWork: 1, waiting: 0 });
  });

  it('H9 held for longer than its lease → stays, since its holder lives', async () => {
    const { pool } = await start({ poolLeaseMs: 600 });
    await eventually(async () => {
      const { rows } = await query<{ late: boolean }>(
        `select clock_timestamp() > granted_at + interval '2 s' as late from perdura.pool_claims
          where pool = $1 and state = 'held'`,
        [pool.name],
      );
      return rows[0]!.late;
    });
    expect(await state(pool)).toEqual({ atWork: 1, waiting: 1 });
    gate.answer('first');
    await gate.atWork('second');
  });

  it('H9 taken away from a holder that still speaks → its call is not cut, and its next turn waits in line', async () => {
    const { pool, first } = await start();
    await query(
      `update perdura.pool_claims set lease_until = clock_timestamp() where pool = $1 and state = 'held'`,
      [pool.name],
    );
    await gate.atWork('first', 'second');
    await first.send('again');
    gate.answer('first');
    await line(pool, 1);
    expect(await pool.working()).toMatchObject([{ turn: 1 }]);
    gate.answer('second');
    await gate.atWork('again');
  });

  it('H9 signals that are nothing, come twice or too early → the session waits on, and goes on when it has a slot', async () => {
    const { pool, second } = await start();
    const handle = h.runtime.temporal.workflow.getHandle(second.workflowId);
    for (const garbage of [
      undefined,
      7,
      'slot',
      { session: second.id },
      { session: 'x', stage: 9 },
      { session: second.id, stage: '1' },
    ]) {
      await handle.signal('slot', garbage);
    }
    // One that lies makes it ask again, and wait again.
    await handle.signal('slot', { session: second.id, stage: 9 });
    await handle.signal('slot', { session: second.id, stage: 9 });
    await eventually(async () => (await second.timeline()).turns.length === 1);
    expect(await state(pool)).toEqual({ atWork: 1, waiting: 1 });
    gate.answer('first');
    await gate.atWork('second');
  });
});

async function query<T extends pg.QueryResultRow>(text: string, values: unknown[]) {
  const client = new pg.Client({ connectionString: inject('databaseUrl') });
  await client.connect();
  try {
    return await client.query<T>(text, values);
  } finally {
    await client.end();
  }
}
