/**
 * A pool of 8 with 200 sessions of four tenants, one of which sends ten times as much, while worker
 * processes are killed with SIGKILL. What the model's server sees is counted: how many agents are at
 * work, and the share of each tenant while all of them have somebody in line.
 *
 *     PERDURA_POOL=1000,10 npx vitest run test/integration/pool/fairness    sessions, kills
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { AgentRuntime } from '../../../src/client/agent-runtime.js';
import type { Session } from '../../../src/client/session.js';
import { migrate } from '../../../src/store/migrate.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { eventually } from '../../support/eventually.js';
import { WorkerProcesses } from '../../support/worker-process.js';

const [SESSIONS, KILLS] = (process.env.PERDURA_POOL ?? '200,3').split(',').map(Number) as [
  number,
  number,
];
const POOL = 8;
/** Messages of a small tenant; the large one sends ten times as many. */
const EACH = Math.ceil(SESSIONS / 2);
const ANSWER_MS = 60;
/** Calls of a tenant that are left when its line may be empty now and then. */
const LAST = 6;
const name = `p${randomBytes(5).toString('hex')}`;
const tenants = ['a', 'b', 'c', 'large'].map((each) => `${name}${each}`);
const large = tenants[3]!;
const messagesOf = (tenant: string) => (tenant === large ? EACH * 10 : EACH);
/** As many for each: with few, a tenant has nobody in line while its sessions are between two turns. */
const PER_TENANT = Math.floor(SESSIONS / tenants.length);

describe('a pool under kills', () => {
  let model: ScriptedModel;
  let runtime: AgentRuntime;
  let processes: WorkerProcesses | undefined;
  const calls = new Map(tenants.map((tenant) => [tenant, 0]));
  /** Of each tenant, when the first of them had nobody in line any more. */
  let shares: Map<string, number> | undefined;
  let atWork = 0;
  let most = 0;
  let kills = 0;

  const kill = () => {
    const alive = processes!.workers.filter((worker) => worker.pid !== undefined && worker.isReady);
    const victim = alive[kills % Math.max(1, alive.length)];
    if (!victim) return;
    kills += 1;
    victim.kill('SIGKILL');
  };

  beforeAll(async () => {
    await migrate(inject('databaseUrl'));
    model = await ScriptedModel.start();
    model.reply(/./, async ({ lastUserText }) => {
      const [tenant = ''] = lastUserText.split(' ');
      const made = calls.get(tenant)! + 1;
      calls.set(tenant, made);
      atWork += 1;
      most = Math.max(most, atWork);
      if (made > messagesOf(tenant) - LAST) shares ??= new Map(calls);
      const all = [...calls.values()].reduce((sum, each) => sum + each, 0);
      // While all tenants have somebody in line: four times as many calls as a small one makes. What a
      // kill takes from a tenant is given back to it after that.
      if (kills < KILLS && all >= ((kills + 1) * EACH * 4) / (KILLS + 2)) kill();
      await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
      atWork -= 1;
      return `re: ${lastUserText}`;
    });
    processes = await WorkerProcesses.start({
      modelUrl: model.baseUrl,
      taskQueue: name,
      config: 'pool.config.ts',
      tenant: tenants[0]!,
      environment: {
        TEST_POOL: name,
      },
    });
    ({ runtime } = processes);
  }, 120_000);

  afterAll(async () => {
    await processes?.stop();
    await model?.stop();
  });

  it(`H9 a pool of ${POOL}, ${SESSIONS} sessions of 4 tenants, one sends ten times as much, ${KILLS} kills → never more than ${POOL} at work, to each its share ± 20 %`, async () => {
    const pool = runtime.pool(name);
    const sessions: Session[] = [];
    for (const tenant of tenants) {
      const own = runtime.forTenant(tenant);
      const count = PER_TENANT;
      const mine = await inChunks(range(count), (i) =>
        own.start({ session: `s${i}`, message: `${tenant} 0 ${i}` }),
      );
      const more = range(messagesOf(tenant)).slice(count);
      await inChunks(more, (i) => mine[i % count]!.send(`${tenant} ${i}`));
      sessions.push(...mine);
    }
    const held = await eventually(
      () => pool.status(),
      ({ waiting }) => waiting === sessions.length,
    );
    expect(held.atWork).toBe(0);
    expect((await pool.waiting({ limit: 1 }))[0]!.reason).toBe(
      'the pool is held: its maximum is 0',
    );

    const began = performance.now();
    await pool.setLimits({ maxAtWork: POOL });
    const total = tenants.reduce((sum, tenant) => sum + messagesOf(tenant), 0);
    const answered = await eventually(
      async () => {
        const { byTenant, waiting, atWork: busy } = await pool.status();
        return { given: byTenant.reduce((sum, { grants }) => sum + grants, 0), waiting, busy };
      },
      ({ given, waiting, busy }) => given >= total && waiting + busy === 0,
    );
    const seconds = (performance.now() - began) / 1_000;

    let lost = 0;
    let doubled = 0;
    for (const session of sessions) {
      const texts = (await session.transcript()).flatMap(({ message }) =>
        message.role === 'assistant' ? [message.text] : [],
      );
      doubled += texts.length - new Set(texts).size;
      lost -= texts.length;
    }
    lost += total;
    for (const { workflowId } of sessions.filter((_, i) => i % 20 === 0)) {
      const handle = runtime.temporal.workflow.getHandle(workflowId);
      const { events } = await handle.fetchHistory();
      await replayHistory({ events: events ?? [] }, { workflowId });
    }
    const during = [...(shares ?? calls)];
    const sum = during.reduce((all, [, each]) => all + each, 0);
    const parts = during.map(([, each]) => each / sum);
    console.log(
      `pool of ${POOL} · sessions ${SESSIONS} · turns ${total} · kills ${kills} · at work at most ${most} · ` +
        `shares of ${sum} calls ${parts.map((part) => `${(part * 100).toFixed(1)} %`).join(', ')} · ` +
        `slots given ${answered.given} · lost ${lost} · doubled ${doubled} · ${seconds.toFixed(1)} s · ` +
        `${(total / seconds).toFixed(0)} turns/s`,
    );
    expect({ kills, lost, doubled }).toEqual({ kills: KILLS, lost: 0, doubled: 0 });
    expect(most).toBeLessThanOrEqual(POOL);
    for (const part of parts) {
      expect(part).toBeGreaterThan(0.25 * 0.8);
      expect(part).toBeLessThan(0.25 * 1.2);
    }
  }, 900_000);
});

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

async function inChunks<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let i = 0; i < items.length; i += 20) {
    done.push(...(await Promise.all(items.slice(i, i + 20).map(work))));
  }
  return done;
}
