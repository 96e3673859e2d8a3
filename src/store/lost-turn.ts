/** The turn that a session was in when its workflow was lost. */
import type { FailureInfo } from '../contracts/failures.js';
import type { SessionKey } from '../contracts/ids.js';
import { eventKeys } from '../contracts/places.js';
import type { NewEvent } from './append-types.js';
import type { Stores } from './stores.js';

/**
 * The end of the turn that was under way when the session's workflow was lost, where one was: an
 * interruption, or the given failure.
 */
export async function lostTurn(
  { events, attempts }: Pick<Stores, 'events' | 'attempts'>,
  key: SessionKey,
  failure?: FailureInfo,
): Promise<NewEvent[]> {
  const begun = await events.lastTurnStart(key);
  if (!begun) return [];
  const { turn } = begun;
  if (await events.findTurnEnd(key, { turn, after: begun.n })) return [];
  const usage = await attempts.usageOfTurn(key, turn);
  return [
    {
      key: eventKeys.turnEnded(turn),
      body: failure
        ? { type: 'turn.failed', turn, failure, usage }
        : { type: 'turn.interrupted', turn, reason: 'its workflow was lost', usage },
    },
  ];
}
