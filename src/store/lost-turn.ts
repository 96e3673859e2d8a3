/** The turn that a session was in when its workflow was lost. */
import { sql } from 'kysely';
import type { FailureInfo } from '../contracts/failures.js';
import type { SessionKey } from '../contracts/ids.js';
import type { Database } from './database.js';
import { findTurnEnd } from './event-log.js';
import type { NewEvent } from './transcript-store.js';

/**
 * The end of the turn that was under way when the session's workflow was lost, where one was: an
 * interruption, or the given failure.
 */
export async function lostTurn(
  database: Database,
  key: SessionKey,
  failure?: FailureInfo,
): Promise<NewEvent[]> {
  const { tenant, session } = key;
  const begun = await database.db
    .selectFrom('perdura.events')
    .where('tenant', '=', tenant)
    .where('session', '=', session)
    .where('type', '=', 'turn.started')
    .orderBy('n', 'desc')
    .select(['n', sql<number>`(body->>'turn')::int`.as('turn')])
    .executeTakeFirst();
  if (!begun) return [];
  const { turn } = begun;
  if (await findTurnEnd(database, tenant, session, { turn, after: Number(begun.n) })) return [];
  const usage = await usageOf(database, key, turn);
  return [
    {
      key: `t${turn}.end`,
      body: failure
        ? { type: 'turn.failed', turn, failure, usage }
        : { type: 'turn.interrupted', turn, reason: 'its workflow was lost', usage },
    },
  ];
}

async function usageOf({ db }: Database, { tenant, session }: SessionKey, turn: number) {
  const bill = await db
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
