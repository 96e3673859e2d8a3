/** Which tool calls with an effect were begun, and which of them ended. */
import { sql } from 'kysely';
import type { Database } from './database.js';
import type { ToolRuns } from './stores.js';

export interface ToolRunStart {
  readonly tenant: string;
  readonly session: string;
  /** The idempotency key of the call. */
  readonly key: string;
  readonly name: string;
  readonly effect: string;
  readonly turn: number;
  readonly step: number;
  readonly attempt: number;
}

export class ToolRunLog implements ToolRuns {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Notes that a call begins, before it begins. Answers `first` when nobody has begun it, or
   * what is known of the earlier attempt: `running` means that it was cut off, or still runs.
   */
  async begin(run: ToolRunStart): Promise<'first' | 'running' | 'done'> {
    const { rows } = await sql<{ outcome: string; first: boolean }>`
    insert into perdura.tool_runs as r
        (tenant, session, key, name, effect, attempt, turn, step, outcome)
      values (${run.tenant}, ${run.session}, ${run.key}, ${run.name}, ${run.effect},
        ${run.attempt}, ${run.turn}, ${run.step}, 'running')
      on conflict (tenant, session, key) do update set attempt = excluded.attempt
      returning r.outcome, (xmax = 0) as first`.execute(this.#database.db);
    const row = rows[0]!;
    if (row.first) return 'first';
    return row.outcome === 'running' ? 'running' : 'done';
  }
}
