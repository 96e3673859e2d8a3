/** What is on record of attempts at model calls beside their beginning and their end. */
import { sql } from 'kysely';
import type { SessionKey } from '../contracts/ids.js';
import type { Usage } from '../contracts/message.js';
import type { Database } from './database.js';

/** One attempt, as the transcript's writer has entered it. */
export interface AttemptPlace extends SessionKey {
  readonly run: string;
  readonly stage: number;
  readonly step: number;
  readonly attempt: number;
}

/** What an attempt that runs has cost so far. One that has ended has its bill, and keeps it. */
export async function noteSpoken(
  { db }: Database,
  { tenant, session, run, stage, step, attempt }: AttemptPlace,
  { output, costMicros }: Usage,
): Promise<void> {
  await db
    .updateTable('perdura.attempts')
    .set({ output_tokens: output, cost_micros: String(costMicros) })
    .where('tenant', '=', tenant)
    .where('session', '=', session)
    .where('run', '=', run)
    .where('stage', '=', String(stage))
    .where('step', '=', step)
    .where('kind', '=', 'model')
    .where('attempt', '=', attempt)
    .where('outcome', '=', 'running')
    // Two of these may come in another order than they were sent.
    .where('output_tokens', '<', output)
    .execute();
}

/**
 * Gives up every attempt that is on record as running: from now on its estimate counts. One that
 * runs after all corrects this with its bill.
 */
export async function giveUpAttempts(
  { db }: Database,
  { tenant, session }: SessionKey,
): Promise<void> {
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
      where tenant = ${tenant} and session = ${session} and bill.attempts > 0`.execute(db);
}
