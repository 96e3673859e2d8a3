/** The end of a turn of an application's own loop: answered, failed or cancelled. */
import { CancellationScope, CancelledFailure, isCancellation } from '@temporalio/workflow';
import type { WritePlace } from '../../src/contracts/activities.js';
import type { FailureInfo } from '../../src/contracts/failures.js';
import type { FinishReason, InboxItem } from '../../src/contracts/message.js';
import { refusal } from '../door.js';
import { failureOf } from '../session/failure-of.js';
import type { TurnPosition } from '../session/turn-position.js';
import { closeTurn } from './calls.js';
import type { Transcript } from './transcript.js';

/** What of a turn is not accepted yet. */
export type UnderWay = Pick<TurnPosition, 'cutOff' | 'openCalls'> & {
  inbox: readonly InboxItem[] | undefined;
};

/**
 * Ends the turn, however `work` ends. What a turn has done that fails or is cancelled stays in the
 * transcript, or the next turn would do it again. Its failure is the application's, by its type.
 */
export async function settled<T extends { readonly finish: FinishReason }>(
  transcript: Transcript,
  underWay: UnderWay,
  work: () => Promise<T>,
): Promise<T> {
  const { state } = transcript;
  try {
    const answer = await work();
    // A call that was cancelled answers with what was said until then.
    if (answer.finish === 'interrupted') throw new CancelledFailure('The turn was cancelled.');
    state.finish();
    return answer;
  } catch (error) {
    const failure = failureOf(error);
    if (failure || isCancellation(error)) {
      await CancellationScope.nonCancellable(() => close(transcript, underWay, failure));
    }
    state.finish(failure);
    return refuse(error);
  }
}

async function close(
  transcript: Transcript,
  { inbox, openCalls, cutOff }: UnderWay,
  failure: FailureInfo | undefined,
): Promise<void> {
  const { state, run, opening } = transcript;
  const { head, found } = await closeTurn({
    ...nextPlace(transcript, state.open?.step ?? 0),
    run,
    ...opening,
    outcome: failure ? 'failed' : 'interrupted',
    ...(failure ? { failure } : {}),
    usage: state.open!.usage,
    ...(inbox && inbox.length > 0 ? { inbox } : {}),
    ...(openCalls ? { open: openCalls } : {}),
    ...(cutOff === undefined ? {} : { cutOff }),
    ...(state.open?.slot ? { slot: true } : {}),
  });
  transcript.entered = true;
  state.head = head;
  if (found) state.spend(found);
}

/** Fails with the type of what went wrong, as the application handles it. */
export function refuse(error: unknown): never {
  const failure = failureOf(error);
  throw failure ? refusal(failure.type, failure.message) : error;
}

/** Where the next activity writes: behind the head, and fencing all before it. */
export function nextPlace({ state }: Transcript, step = 0): WritePlace {
  state.stage += 1;
  return { turn: state.turn, step, stage: state.stage, head: state.head };
}
