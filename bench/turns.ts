/**
 * Turns of both sides, taken in turns: ours, the baseline's, ours, … so that whatever else the
 * machine does hits both. The last ten turns of a session are interleaved with the first ten
 * of the next one as well: "late over early" compares turns of the same minute, not a warm
 * worker with a cold one.
 */
import type { BenchProcess } from './child.js';
import { messageOf, startBaseline, startPerdura, type Conversation } from './conversations.js';
import type { Environment } from './environment.js';
import { nowMs } from './statistics.js';

/** One turn: when it was asked and answered, ms of the monotonic clock. */
export interface TurnTime {
  readonly turn: number;
  readonly from: number;
  readonly to: number;
}

/** The times of one conversation, in order. */
export interface Run {
  readonly workflowId: string;
  readonly turns: TurnTime[];
}

/** What a worker used over a stretch of turns, per turn. */
export interface TurnCost {
  readonly cpuMs: number;
  readonly queries: number;
}

export interface TurnsResult {
  readonly perdura: Run[];
  readonly baseline: Run[];
  /** Over the first 30 turns of each session. */
  readonly first: { readonly perdura: TurnCost; readonly baseline: TurnCost };
  /** Over all turns. */
  readonly all: { readonly perdura: TurnCost; readonly baseline: TurnCost };
}

export interface Workers {
  readonly perdura: BenchProcess;
  readonly baseline: BenchProcess;
}

/** Turns whose ratio is compared at the start of a conversation. */
export const FIRST = 30;
const OVERLAP = 10;

export async function measureTurns(
  environment: Environment,
  workers: Workers,
  plan: { sessions: number; turns: number; progress: (text: string) => void },
): Promise<TurnsResult> {
  const { turns, progress } = plan;
  const runs: TurnsResult['perdura'] = [];
  const others: TurnsResult['baseline'] = [];
  const cost = { first: new Meter(workers), all: new Meter(workers) };
  const begin = async () => {
    const pair = [await startPerdura(environment), await startBaseline(environment)] as const;
    const entry = pair.map(({ workflowId }) => ({ workflowId, turns: [] as TurnTime[] }));
    runs.push(entry[0]!);
    others.push(entry[1]!);
    return pair.map((conversation, i) => ({ conversation, run: entry[i]! }));
  };
  let current = await begin();
  for (let session = 1; session <= plan.sessions; session++) {
    let next: typeof current | undefined;
    await cost.all.start();
    await cost.first.start();
    for (let turn = current[0]!.run.turns.length + 1; turn <= turns; turn++) {
      if (turn === FIRST + 1) await cost.first.stop(FIRST - (session > 1 ? OVERLAP : 0));
      if (turn === turns - OVERLAP + 1) {
        await cost.all.stop(turns - OVERLAP - (session > 1 ? OVERLAP : 0));
        next = await begin();
      }
      for (const each of current) await one(each, turn);
      for (const each of next ?? []) await one(each, turn - turns + OVERLAP);
      if (turn % 50 === 0) progress(`session ${session} of ${plan.sessions}, turn ${turn}`);
    }
    for (const { conversation } of current) await conversation.end();
    current = next!;
  }
  for (const { conversation } of current) await conversation.end();
  return { perdura: runs, baseline: others, first: cost.first.result(), all: cost.all.result() };
}

async function one(
  { conversation, run }: { conversation: Conversation; run: { turns: TurnTime[] } },
  turn: number,
): Promise<void> {
  const from = nowMs();
  const text = await conversation.turn(messageOf(turn));
  run.turns.push({ turn, from, to: nowMs() });
  if (!text.includes('42')) throw new Error(`${conversation.side} answered "${text}".`);
}

/** Adds up what the workers use between `start` and `stop`. */
class Meter {
  readonly #workers: Workers;
  readonly #sum = { perdura: { cpuMs: 0, queries: 0 }, baseline: { cpuMs: 0, queries: 0 } };
  #turns = 0;

  constructor(workers: Workers) {
    this.#workers = workers;
  }

  async start(): Promise<void> {
    await this.#add(-1);
  }

  async stop(turns: number): Promise<void> {
    await this.#add(1);
    this.#turns += turns;
  }

  result(): { perdura: TurnCost; baseline: TurnCost } {
    const each = ({ cpuMs, queries }: TurnCost) => ({
      cpuMs: cpuMs / this.#turns,
      queries: queries / this.#turns,
    });
    return { perdura: each(this.#sum.perdura), baseline: each(this.#sum.baseline) };
  }

  async #add(sign: 1 | -1): Promise<void> {
    for (const side of ['perdura', 'baseline'] as const) {
      const { cpuMs, queries } = await this.#workers[side].usage();
      this.#sum[side].cpuMs += sign * cpuMs;
      this.#sum[side].queries += sign * queries;
    }
  }
}
