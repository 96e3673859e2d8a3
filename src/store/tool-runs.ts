/**
 * Which tool calls have begun, how their tries ended, and which of them are done. `outcome` of a
 * row is `running` (a try is under way, or was cut off), `waiting` (the last try ended without a
 * result, so another may follow), or how the call ended: `done` or the type of a failure.
 */
import { sql } from 'kysely';
import type { Database } from './database.js';
import { toJson } from './json.js';
import type { ToolRuns } from './stores.js';

/** The call of a session, or of another owner that has one key space. */
export interface ToolRunKey {
  readonly tenant: string;
  readonly session: string;
  /** The idempotency key of the call. */
  readonly key: string;
}

/** A try of a call. */
export interface ToolRunTry extends ToolRunKey {
  /** Unique to this try. */
  readonly holder: string;
  readonly name: string;
  readonly effect: string;
  /** Turn and step within a session; 0 elsewhere. */
  readonly turn: number;
  readonly step: number;
  readonly attempt: number;
}

/** What is on record of a call. */
export interface ToolRunRecord {
  readonly effect: string;
  readonly outcome: string;
  /** Tries that the tool's infrastructure failed. */
  readonly failures: number;
  /** Tries that have begun and of which nothing was heard before the next one. */
  readonly deaths: number;
  /** Type of the last of `failures`. */
  readonly failure: string | null;
  /** What {@link ToolRunLog.finish} kept. */
  readonly result: unknown;
}

export class ToolRunLog implements ToolRuns {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Notes that a try begins, before it begins, and answers what is on record then: `running` for a
   * call that may run now, with the tries that were cut off before. A try that is noted twice,
   * because the first answer was lost, counts once. A call that is done stays done.
   */
  async begin(run: ToolRunTry): Promise<ToolRunRecord> {
    const { rows } = await sql<ToolRunRecord>`
      insert into perdura.tool_runs as r
          (tenant, session, key, name, effect, attempt, turn, step, outcome, holder)
        values (${run.tenant}, ${run.session}, ${run.key}, ${run.name}, ${run.effect},
          ${run.attempt}, ${run.turn}, ${run.step}, 'running', ${run.holder})
        on conflict (tenant, session, key) do update set
          deaths = r.deaths + case
            when r.outcome = 'running' and r.holder is distinct from excluded.holder then 1
            else 0 end,
          outcome = case when r.outcome = 'waiting' then 'running' else r.outcome end,
          attempt = excluded.attempt,
          holder = excluded.holder
        returning r.effect, r.outcome, r.failures, r.deaths, r.failure, r.result`.execute(
      this.#database.db,
    );
    return rows[0]!;
  }

  /**
   * Notes that a try ended without a result. `failure` is the type of what it used up a try for;
   * absent where nobody is to blame, as when a worker shuts down. Another try that has begun
   * meanwhile is left alone.
   */
  async endTry(run: ToolRunTry, failure?: string): Promise<void> {
    const failures = failure === undefined ? 0 : 1;
    await sql`
      insert into perdura.tool_runs as r
          (tenant, session, key, name, effect, attempt, turn, step, outcome, holder, failures, failure)
        values (${run.tenant}, ${run.session}, ${run.key}, ${run.name}, ${run.effect},
          ${run.attempt}, ${run.turn}, ${run.step}, 'waiting', ${run.holder}, ${failures},
          ${failure ?? null})
        on conflict (tenant, session, key) do update set
          outcome = 'waiting',
          failures = r.failures + excluded.failures,
          failure = coalesce(excluded.failure, r.failure)
          where r.outcome = 'running' and r.holder = excluded.holder`.execute(this.#database.db);
  }

  /** What is on record of a call; `undefined` for nothing. */
  async find({ tenant, session, key }: ToolRunKey): Promise<ToolRunRecord | undefined> {
    return this.#database.db
      .selectFrom('perdura.tool_runs')
      .select(['effect', 'outcome', 'failures', 'deaths', 'failure', 'result'])
      .where('tenant', '=', tenant)
      .where('session', '=', session)
      .where('key', '=', key)
      .executeTakeFirst();
  }

  /**
   * Keeps the result of a call that no transcript has, once. Answers with the result that is in
   * force: that of whoever was first.
   */
  async finish<T>(run: ToolRunTry, outcome: string, result: T): Promise<T> {
    const { rows } = await sql<{ result: T }>`
      insert into perdura.tool_runs as r
          (tenant, session, key, name, effect, attempt, turn, step, outcome, holder, result, ended_at)
        values (${run.tenant}, ${run.session}, ${run.key}, ${run.name}, ${run.effect},
          ${run.attempt}, ${run.turn}, ${run.step}, ${outcome}, ${run.holder},
          ${toJson(result)}::json, clock_timestamp())
        on conflict (tenant, session, key) do update set
          outcome = case when r.result is null then excluded.outcome else r.outcome end,
          result = coalesce(r.result, excluded.result),
          ended_at = coalesce(r.ended_at, excluded.ended_at)
        returning r.result`.execute(this.#database.db);
    return rows[0]!.result;
  }
}
