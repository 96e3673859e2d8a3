/** The record of a session whose workflow was ended from outside: Temporal's word, written once. */
import type { FailureInfo } from '../contracts/failures.js';
import type { SessionKey } from '../contracts/ids.js';
import { eventKeys } from '../contracts/places.js';
import { lostTurn } from './lost-turn.js';
import type { Stores } from './stores.js';

type SettleStores = Pick<Stores, 'sessions' | 'transcripts' | 'attempts' | 'events'>;

/** How the workflow ended. */
export interface OutsideEnd {
  /** Run id of the workflow that is closed. */
  readonly run: string;
  /** `terminated`: the session has ended. `error`: another message may start it again. */
  readonly state: 'terminated' | 'error';
  /** Reason of the session's end. */
  readonly reason?: string;
  /** What the turn under way failed with. */
  readonly failure: FailureInfo;
  /** Channel that readers listen on. */
  readonly channel: string;
}

/**
 * Fails the turn under way, ends the session or marks its error, and fences the closed run, whose
 * activities may still be writing. Several processes may do this at once: it happens once, because
 * all of them write in the name of the same made-up run. Resolves with the number of the last
 * event, or with nothing when there is no such session or it was settled before.
 */
export async function settleSession(
  { sessions, transcripts, attempts, events }: SettleStores,
  key: SessionKey,
  { run, state, reason, failure, channel }: OutsideEnd,
): Promise<number | undefined> {
  const settled = `${run}:closed`;
  const place = await sessions.place(key);
  if (!place || place.state === 'terminated' || place.run === settled) return undefined;
  await attempts.giveUp(key);
  const { lastEvent } = await transcripts.append(
    { ...key, transcript: place.transcript, run: settled, head: place.head },
    {
      channel,
      events: [
        ...(await lostTurn({ events, attempts }, key, failure)),
        ...(state === 'terminated'
          ? [
              {
                key: eventKeys.sessionEnded(),
                body: { type: 'session.ended', ...(reason ? { reason } : {}) },
              } as const,
            ]
          : []),
      ],
      withdraw: {},
      updates: { state, force: true, ...(state === 'error' ? { failure } : {}) },
    },
  );
  return lastEvent;
}
