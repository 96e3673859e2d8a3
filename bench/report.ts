/** The numbers of a run: their shape in the JSON file, their goals, the table. */
import type { Concurrent, IdleMemory } from './many-sessions.js';
import type { FirstToken } from './first-token.js';
import type { PoolResults } from './pool.js';
import type { PeopleResults } from './people.js';
import type { RecallResults } from './recall.js';
import type { TurnSplit } from './split.js';
import type { Broadcast } from './broadcast.js';
import type { IdleReaders, StoreResults } from './store.js';

export interface Results {
  readonly at: string;
  readonly machine: { cpus: number; node: string; temporal: string; quick: boolean };
  readonly turn: {
    /** Over the first 30 turns. */
    p50Ms: number;
    baselineP50Ms: number;
    ratio: number;
    /** Over the last ten turns. */
    lateP50Ms: number;
    baselineLateP50Ms: number;
    ratioAt200: number;
    /** The last six turns over turns 5 to 10 of the session beside it. */
    lateOverEarly: number;
    baselineLateOverEarly: number;
    split: TurnSplit;
    baselineSplit: TurnSplit;
    sessions: number;
    turns: number;
  };
  readonly history: {
    bytesPerTurn: { at10: number; at100: number; at200: number; mean: number };
    baselineBytesPerTurn: { at10: number; at100: number; at200: number; mean: number };
    eventsPerTurn: number;
    baselineEventsPerTurn: number;
    eventsOfLongestRun: number;
    runs: number;
  };
  readonly stream: { firstTokenOverheadMs: number } & Pick<FirstToken, 'oursMs' | 'directMs'>;
  readonly recovery: { killToResumeMs: number };
  readonly subagent: { withMs: number; withoutMs: number; overheadMs: number };
  readonly worker: {
    cpuMsPerTurn: number;
    baselineCpuMsPerTurn: number;
    /** Over all turns. */
    cpuRatio: number;
    /** Over the first 30, where the baseline's conversation is still short. */
    cpuRatioFirst30: number;
    queriesPerTurn: number;
  };
  readonly concurrent: Concurrent;
  readonly broadcast: Broadcast;
  readonly memory: IdleMemory;
  readonly pool: PoolResults;
  readonly bundle: { kB: number };
  readonly store: StoreResults;
  readonly readers: { readonly idle1000: IdleReaders };
  readonly recall: { readonly at100: RecallResults; readonly at100000: RecallResults };
  /** Among 10 and among 10,000. */
  readonly people: PeopleResults;
}

interface Goal<R> {
  readonly name: string;
  /** `undefined` for what cannot be measured here: it is left out. */
  readonly measured: (results: R) => number | undefined;
  readonly unit: string;
  /** Without either: for information. */
  readonly most?: number;
  readonly least?: number;
}

const GOALS: readonly Goal<Results>[] = [
  { name: 'turn, first 30 turns', measured: (r) => r.turn.p50Ms, unit: 'ms' },
  { name: '  the same, hand-written loop', measured: (r) => r.turn.baselineP50Ms, unit: 'ms' },
  { name: '  ours over theirs', measured: (r) => r.turn.ratio, unit: '×', most: 1 },
  { name: 'turn, last ten turns', measured: (r) => r.turn.lateP50Ms, unit: 'ms' },
  { name: '  the same, hand-written loop', measured: (r) => r.turn.baselineLateP50Ms, unit: 'ms' },
  { name: '  ours over theirs', measured: (r) => r.turn.ratioAt200, unit: '×', most: 0.7 },
  {
    name: 'late turns over early ones',
    measured: (r) => r.turn.lateOverEarly,
    unit: '×',
    most: 1.1,
  },
  { name: '  hand-written loop', measured: (r) => r.turn.baselineLateOverEarly, unit: '×' },
  { name: 'history, turn 10', measured: (r) => r.history.bytesPerTurn.at10, unit: 'B' },
  { name: '  turn 100', measured: (r) => r.history.bytesPerTurn.at100, unit: 'B' },
  { name: '  last turn', measured: (r) => r.history.bytesPerTurn.at200, unit: 'B', most: 6_000 },
  {
    name: '  last over turn 10',
    measured: (r) => r.history.bytesPerTurn.at200 / r.history.bytesPerTurn.at10,
    unit: '×',
    most: 1.1,
  },
  {
    name: '  last turn, hand-written loop',
    measured: (r) => r.history.baselineBytesPerTurn.at200,
    unit: 'B',
  },
  { name: 'history events a turn', measured: (r) => r.history.eventsPerTurn, unit: '', most: 20 },
  { name: '  hand-written loop', measured: (r) => r.history.baselineEventsPerTurn, unit: '' },
  { name: 'worker CPU a turn', measured: (r) => r.worker.cpuMsPerTurn, unit: 'ms' },
  { name: '  ours over theirs', measured: (r) => r.worker.cpuRatio, unit: '×', most: 1.3 },
  {
    name: '  in the first 30 turns',
    measured: (r) => r.worker.cpuRatioFirst30,
    unit: '×',
    most: 1.3,
  },
  { name: 'database statements a turn', measured: (r) => r.worker.queriesPerTurn, unit: '' },
  {
    name: 'first token, behind a direct reader',
    measured: (r) => r.stream.firstTokenOverheadMs,
    unit: 'ms',
    most: 25,
  },
  {
    name: 'worker killed, next attempt speaks',
    measured: (r) => r.recovery.killToResumeMs,
    unit: 'ms',
    most: 10_000,
  },
  { name: 'sub-agent, over a local tool', measured: (r) => r.subagent.overheadMs, unit: 'ms' },
  { name: 'sessions at once', measured: (r) => r.concurrent.sessions, unit: '' },
  { name: '  turns a second', measured: (r) => r.concurrent.turnsPerSecond, unit: '' },
  { name: 'message to many, receivers', measured: (r) => r.broadcast.receivers, unit: '' },
  { name: '  deliveries a second', measured: (r) => r.broadcast.perSecond, unit: '' },
  { name: 'memory of an idle session', measured: (r) => r.memory.perIdleSessionKB, unit: 'KB' },
  { name: 'pool of 8, sessions that want to work', measured: (r) => r.pool.sessions, unit: '' },
  { name: '  turns a second', measured: (r) => r.pool.turnsPerSecond, unit: '' },
  { name: '  memory of one that waits', measured: (r) => r.pool.perWaitingSessionKB, unit: 'KB' },
  { name: 'workflow bundle', measured: (r) => r.bundle.kB, unit: 'kB' },
];

export type StorePart = Pick<Results, 'store' | 'readers' | 'recall' | 'people'>;

const STORE_GOALS: readonly Goal<StorePart>[] = [
  {
    name: 'appends a second, 32 sessions',
    measured: (r) => r.store.appendsPerSecond,
    unit: '',
  },
  {
    name: '  over the same, no reader woken',
    measured: (r) => r.store.ratio,
    unit: '×',
    least: 0.9,
  },
  {
    name: '  notified in the commit, over none',
    measured: (r) => r.store.inCommitRatio,
    unit: '×',
  },
  {
    name: '1,000 idle readers, queries a second',
    measured: (r) => r.readers.idle1000.queriesPerSecond,
    unit: '',
  },
  {
    name: '  over each asking by itself',
    measured: (r) => r.readers.idle1000.ratio,
    unit: '×',
    most: 0.01,
  },
  { name: '  memory of one', measured: (r) => r.readers.idle1000.perReaderKB, unit: 'KB' },
  { name: 'inbox, 10 requests wait', measured: (r) => r.people.inbox[0]!.listMs, unit: 'ms' },
  {
    name: '  10,000 wait',
    measured: (r) => r.people.inbox[1]!.listMs,
    unit: 'ms',
    most: 20,
  },
  { name: '  a decision among 10,000', measured: (r) => r.people.inbox[1]!.decideMs, unit: 'ms' },
  { name: 'fork at 10 messages', measured: (r) => r.people.fork[0]!.ms, unit: 'ms' },
  {
    name: '  at 10,000, over that',
    measured: (r) => r.people.fork[1]!.ms / r.people.fork[0]!.ms,
    unit: '',
    most: 3,
  },
  { name: 'recall among 100 facts', measured: (r) => r.recall.at100.ms, unit: 'ms' },
  { name: '  among 100,000', measured: (r) => r.recall.at100000.ms, unit: 'ms', most: 50 },
  { name: '  99th percentile', measured: (r) => r.recall.at100000.p99Ms, unit: 'ms' },
  { name: '  nothing to be found', measured: (r) => r.recall.at100000.missMs, unit: 'ms' },
  {
    name: 'remember, beside 100,000 facts',
    measured: (r) => r.recall.at100000.rememberMs,
    unit: 'ms',
  },
  {
    name: 'recall with vectors, 100 facts',
    measured: (r) => r.recall.at100.vectors?.ms,
    unit: 'ms',
  },
  { name: '  among 100,000', measured: (r) => r.recall.at100000.vectors?.ms, unit: 'ms' },
  { name: '  99th percentile', measured: (r) => r.recall.at100000.vectors?.p99Ms, unit: 'ms' },
];

export interface Report {
  readonly text: string;
  /** Goals. */
  readonly missed: number;
}

/** The table, and how many goals were missed. */
export function renderReport(results: Results): Report {
  return render([...GOALS, ...STORE_GOALS], results);
}

/** The same, of the store alone. */
export function renderStoreReport(results: StorePart): Report {
  return render(STORE_GOALS, results);
}

function render<R>(goals: readonly Goal<R>[], results: R): Report {
  const lines = [row('', 'measured', 'goal', '')];
  let missed = 0;
  for (const { name, measured, unit, most = Infinity, least = -Infinity } of goals) {
    const value = measured(results);
    if (value === undefined) continue;
    const pass = value <= most && value >= least;
    if (!pass) missed += 1;
    const goal = Number.isFinite(most)
      ? `≤ ${show(most, unit)}`
      : Number.isFinite(least)
        ? `≥ ${show(least, unit)}`
        : '';
    lines.push(row(name, show(value, unit), goal, goal === '' ? '' : pass ? 'pass' : 'MISS'));
  }
  return { text: lines.join('\n'), missed };
}

function row(name: string, measured: string, goal: string, verdict: string): string {
  return `${name.padEnd(38)}${measured.padStart(12)}${goal.padStart(14)}   ${verdict}`.trimEnd();
}

function show(value: number, unit: string): string {
  const digits =
    unit === 'B' || unit === 'KB' || unit === 'kB' || value >= 1_000 ? 0 : unit === '×' ? 2 : 1;
  const text = value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return unit ? `${text} ${unit}` : text;
}
