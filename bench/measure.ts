/** One measurement after the other, none beside another: they share two or four cores. */
import type { Environment } from './environment.js';
import { measureBroadcast } from './broadcast.js';
import { measureFirstToken } from './first-token.js';
import { bytesAround, eventsPerTurn, meanBytes, readGrowth } from './history.js';
import { measureConcurrent, measureIdleMemory } from './many-sessions.js';
import { measurePool } from './pool.js';
import { measurePeople } from './people.js';
import { measureRecall } from './recall.js';
import { measureRecovery } from './recovery.js';
import type { Results } from './report.js';
import { splitOf } from './split.js';
import { mean, median } from './statistics.js';
import { measureAppends, measureIdleReaders } from './store.js';
import { measureSubAgent } from './sub-agent.js';
import { FIRST, measureTurns, type Run, type Workers } from './turns.js';

/** Turns of the warm-up: V8 has compiled what is hot, pools and caches are open. */
const WARM_UP = 60;

export interface Plan {
  readonly turns: number;
  readonly sessions: number;
  readonly quick: boolean;
}

type Measured = Omit<Results, 'at' | 'machine'>;

/** The store by itself. */
export async function measureStore(
  { databaseUrl, runtime }: Environment,
  { quick }: Pick<Plan, 'quick'>,
  progress: (text: string) => void,
): Promise<Pick<Results, 'store' | 'readers' | 'recall' | 'people'>> {
  const { tenant } = runtime;
  progress('appends');
  const store = await measureAppends(
    databaseUrl,
    tenant,
    quick ? { rounds: 3, seconds: 1 } : { rounds: 7, seconds: 2 },
  );
  progress('idle readers');
  const idle1000 = await measureIdleReaders(databaseUrl, tenant, {
    readers: 1_000,
    seconds: quick ? 4 : 10,
  });
  progress('recall');
  const [at100, at100000] = await measureRecall(databaseUrl, tenant, {
    sizes: [100, 100_000],
    calls: quick ? 20 : 200,
  });
  progress('inbox and forks');
  const people = await measurePeople(databaseUrl, tenant, {
    sizes: [10, 10_000],
    calls: 100,
  });
  const recall = { at100: at100!, at100000: at100000! };
  return { store, readers: { idle1000 }, recall, people };
}

export async function measureAll(
  environment: Environment,
  plan: Plan,
  progress: (text: string) => void,
): Promise<Measured> {
  const { quick } = plan;
  const workers: Workers = {
    perdura: await environment.startWorker('perdura'),
    baseline: await environment.startWorker('baseline'),
  };
  progress('warm-up');
  await measureTurns(environment, workers, { sessions: 1, turns: WARM_UP, progress: () => {} });
  await environment.modelLog();
  progress(`turns: ${plan.sessions} sessions of ${plan.turns}`);
  const turns = await measureTurns(environment, workers, { ...plan, progress });
  const log = await environment.modelLog();
  const { sessions } = plan;
  const ours = turns.perdura.slice(0, sessions);
  const theirs = turns.baseline.slice(0, sessions);
  const early = (turn: number) => turn <= FIRST;
  const late = (turn: number) => turn > plan.turns - 10;
  const [p50Ms, baselineP50Ms] = [p50(ours, early), p50(theirs, early)];
  const [lateP50Ms, baselineLateP50Ms] = [p50(ours, late), p50(theirs, late)];

  progress('histories');
  const history = {
    ...(await historyOf(environment, ours, plan.turns)),
    ...prefixed(await historyOf(environment, theirs, plan.turns)),
  };
  progress('first token');
  const first = await measureFirstToken(environment, quick ? 8 : 30);
  progress('many sessions');
  const concurrent = await measureConcurrent(
    environment,
    quick ? { sessions: 10, turns: 3 } : { sessions: 50, turns: 6 },
  );
  progress('sub-agents');
  const subagent = await measureSubAgent(environment, quick ? 10 : 60);
  await workers.baseline.stop();
  progress('broadcast');
  const broadcast = await measureBroadcast(
    environment,
    quick ? { receivers: 100, rounds: 1 } : { receivers: 1_000, rounds: 5 },
  );
  await workers.perdura.stop();
  progress('kill and resume');
  const killToResumeMs = await measureRecovery(environment, quick ? 1 : 3);
  progress('idle sessions');
  const memory = await measureIdleMemory(environment, quick ? 50 : 400);
  progress('pool');
  const pool = await measurePool(environment, { sessions: quick ? 100 : 1_000, maxAtWork: 8 });
  const store = await measureStore(environment, plan, progress);
  const { all } = turns;
  return {
    turn: {
      p50Ms,
      baselineP50Ms,
      ratio: p50Ms / baselineP50Ms,
      lateP50Ms,
      baselineLateP50Ms,
      ratioAt200: lateP50Ms / baselineLateP50Ms,
      lateOverEarly: lateOverEarly(turns.perdura, plan),
      baselineLateOverEarly: lateOverEarly(turns.baseline, plan),
      split: splitOf(ours, log, early),
      baselineSplit: splitOf(theirs, log, early),
      sessions,
      turns: plan.turns,
    },
    history,
    stream: {
      firstTokenOverheadMs: first.overheadMs,
      oursMs: first.oursMs,
      directMs: first.directMs,
    },
    recovery: { killToResumeMs },
    subagent,
    worker: {
      cpuMsPerTurn: all.perdura.cpuMs,
      baselineCpuMsPerTurn: all.baseline.cpuMs,
      cpuRatio: all.perdura.cpuMs / all.baseline.cpuMs,
      cpuRatioFirst30: turns.first.perdura.cpuMs / turns.first.baseline.cpuMs,
      queriesPerTurn: all.perdura.queries,
    },
    concurrent,
    broadcast,
    memory,
    pool,
    bundle: { kB: environment.bundleBytes / 1000 },
    ...store,
  };
}

function p50(runs: readonly Run[], wanted: (turn: number) => boolean): number {
  return median(times(runs, wanted));
}

function times(runs: readonly Run[], wanted: (turn: number) => boolean): number[] {
  return runs.flatMap(({ turns }) =>
    turns.filter(({ turn }) => wanted(turn)).map(({ from, to }) => to - from),
  );
}

/** Each session's last six turns over turns 5 to 10 of the one that ran beside them. */
function lateOverEarly(runs: readonly Run[], { sessions, turns }: Plan): number {
  const late = times(runs.slice(0, sessions), (turn) => turn > turns - 6);
  const early = times(runs.slice(1), (turn) => turn >= 5 && turn <= 10);
  return median(late) / median(early);
}

async function historyOf({ client }: Environment, runs: readonly Run[], last: number) {
  const growth = await Promise.all(runs.map(({ workflowId }) => readGrowth(client, workflowId)));
  const at = (turn: number) => mean(growth.map((each) => bytesAround(each, turn)));
  return {
    bytesPerTurn: {
      at10: at(10),
      at100: at(Math.min(100, Math.floor(last / 2))),
      at200: at(last),
      mean: mean(growth.map(meanBytes)),
    },
    eventsPerTurn: mean(growth.map(eventsPerTurn)),
    eventsOfLongestRun: Math.max(...growth.map((each) => each.eventsOfLongestRun)),
    runs: mean(growth.map((each) => each.runs)),
  };
}

function prefixed(history: Awaited<ReturnType<typeof historyOf>>) {
  return {
    baselineBytesPerTurn: history.bytesPerTurn,
    baselineEventsPerTurn: history.eventsPerTurn,
  };
}
