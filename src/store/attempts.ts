/** Attempts at model calls, beside their beginning and their end. */
import { sql } from 'kysely';
import type { FailureInfo, FailureType } from '../contracts/failures.js';
import type { SessionKey } from '../contracts/ids.js';
import { addUsage, NO_USAGE, type Usage } from '../contracts/message.js';
import type { Database } from './database.js';
import type { Attempts } from './stores.js';
import { wholeUsage } from './whole-usage.js';

const LOST: FailureType = 'Worker.Lost';

/** A stage of a run: what one activity does. */
export interface StagePlace extends SessionKey {
  readonly run: string;
  readonly stage: number;
}

/** One attempt, as the transcript's writer has entered it. */
export interface AttemptPlace extends StagePlace {
  readonly step: number;
  readonly kind: 'model' | 'compact';
  readonly attempt: number;
}

/** One attempt of a model call, as it was paid. */
export interface AttemptRow {
  readonly turn: number;
  readonly step: number;
  readonly attempt: number;
  readonly kind: string;
  /** For which agent it was paid. Absent in attempts of earlier versions. */
  readonly agent?: string;
  readonly model: string;
  /** `lost`: the worker died in it; its usage is an estimate. */
  readonly outcome: string;
  readonly failure?: FailureInfo;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  readonly costMicros: number;
  readonly estimated: boolean;
  readonly startedAt: string;
  readonly endedAt?: string;
}

/** What the attempts of one step are known to have cost, and how many ended with their worker. */
export interface StepSpending {
  readonly usage: Usage;
  /** Attempts that nobody ended: their worker was killed, or had lost Temporal. */
  readonly lost: number;
}

/** Sums come as text: PostgreSQL's have more digits than a number of JavaScript. */
interface SpendingRow extends Record<
  'step' | 'input' | 'output' | 'cached' | 'reasoning' | 'costMicros' | 'lost',
  string
> {
  readonly estimated: boolean;
}

/** All of a stage. */
export function totalOf(spending: ReadonlyMap<number, StepSpending>): Usage {
  return [...spending.values()].reduce((sum, { usage }) => addUsage(sum, usage), NO_USAGE);
}

export class AttemptLog implements Attempts {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Every attempt of a session's model calls, in order. */
  async list({ tenant, session }: SessionKey): Promise<AttemptRow[]> {
    const rows = await this.#database.db
      .selectFrom('perdura.attempts')
      .selectAll()
      .where('tenant', '=', tenant)
      .where('session', '=', session)
      .orderBy('started_at')
      .execute();
    return rows.map((row) => ({
      turn: row.turn,
      step: row.step,
      attempt: row.attempt,
      kind: row.kind,
      ...(row.agent === null ? {} : { agent: row.agent }),
      model: row.model,
      outcome: row.outcome,
      ...(row.failure ? { failure: row.failure as FailureInfo } : {}),
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      cachedTokens: row.cached_tokens,
      costMicros: Number(row.cost_micros),
      estimated: row.estimated,
      startedAt: row.started_at.toISOString(),
      ...(row.ended_at ? { endedAt: row.ended_at.toISOString() } : {}),
    }));
  }

  /** What an attempt that runs has cost so far. One that has ended has its bill, and keeps it. */
  async noteSpoken(
    { tenant, session, run, stage, step, kind, attempt }: AttemptPlace,
    usage: Usage,
  ): Promise<void> {
    const { output, costMicros } = wholeUsage(usage);
    await this.#database.db
      .updateTable('perdura.attempts')
      .set({ output_tokens: output, cost_micros: String(costMicros) })
      .where('tenant', '=', tenant)
      .where('session', '=', session)
      .where('run', '=', run)
      .where('stage', '=', String(stage))
      .where('step', '=', step)
      .where('kind', '=', kind)
      .where('attempt', '=', attempt)
      .where('outcome', '=', 'running')
      // Two of these may come in another order than they were sent.
      .where('output_tokens', '<', output)
      .execute();
  }

  /**
   * What is on record of a stage, by step: an activity may make several. Attempts that run count
   * with their estimate, so whoever asks before its own attempt begins sees those before it.
   */
  async spendingOfStage({
    tenant,
    session,
    run,
    stage,
  }: StagePlace): Promise<ReadonlyMap<number, StepSpending>> {
    const { rows } = await sql<SpendingRow>`
      select step, sum(input_tokens) as input, sum(output_tokens) as output,
          sum(cached_tokens) as cached, sum(reasoning_tokens) as reasoning,
          sum(cost_micros) as "costMicros", bool_or(estimated) as estimated,
          count(*) filter (where outcome in ('running', 'lost')
            or failure->>'type' = ${LOST}) as lost
        from perdura.attempts
        where tenant = ${tenant} and session = ${session} and run = ${run} and stage = ${stage}
        group by step`.execute(this.#database.db);
    return new Map(
      rows.map(({ estimated, ...row }) => [
        Number(row.step),
        {
          lost: Number(row.lost),
          usage: {
            input: Number(row.input),
            output: Number(row.output),
            cached: Number(row.cached),
            reasoning: Number(row.reasoning),
            costMicros: Number(row.costMicros),
            ...(estimated ? { estimated } : {}),
          },
        },
      ]),
    );
  }

  /**
   * Gives up every attempt that is on record as running: from now on its estimate counts. One that
   * runs after all corrects this with its bill.
   */
  async giveUp({ tenant, session }: SessionKey): Promise<void> {
    await sql`
    with lost as (
      update perdura.attempts set outcome = 'lost', estimated = true, ended_at = clock_timestamp()
        where tenant = ${tenant} and session = ${session} and outcome = 'running'
        returning input_tokens, output_tokens, cached_tokens, cost_micros),
    bill as (
      select count(*) as attempts, coalesce(sum(input_tokens), 0) as input,
          coalesce(sum(output_tokens), 0) as output, coalesce(sum(cached_tokens), 0) as cached,
          coalesce(sum(cost_micros), 0) as cost
        from lost)
    update perdura.sessions set
        input_tokens = input_tokens + bill.input, output_tokens = output_tokens + bill.output,
        cached_tokens = cached_tokens + bill.cached, cost_micros = cost_micros + bill.cost
      from bill
      where tenant = ${tenant} and session = ${session} and bill.attempts > 0`.execute(
      this.#database.db,
    );
  }

  /** What the attempts of a turn have used, as far as it is known. */
  async usageOfTurn({ tenant, session }: SessionKey, turn: number): Promise<Usage> {
    const bill = await this.#database.db
      .selectFrom('perdura.attempts')
      .where('tenant', '=', tenant)
      .where('session', '=', session)
      .where('turn', '=', turn)
      .select((eb) => [
        eb.fn.sum('input_tokens').as('input'),
        eb.fn.sum('output_tokens').as('output'),
        eb.fn.sum('cached_tokens').as('cached'),
        eb.fn.sum('reasoning_tokens').as('reasoning'),
        eb.fn.sum('cost_micros').as('costMicros'),
      ])
      .executeTakeFirstOrThrow();
    const of = (sum: string | number | bigint | null) => Number(sum ?? 0);
    return {
      input: of(bill.input),
      output: of(bill.output),
      cached: of(bill.cached),
      reasoning: of(bill.reasoning),
      costMicros: of(bill.costMicros),
      estimated: true,
    };
  }
}
