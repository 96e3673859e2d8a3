/** Who called: the session and run behind an activity, its attempt, its heartbeat. */
import { Context } from '@temporalio/activity';
import type { WritePlace } from '../src/contracts/activities.js';
import { sessionOf, type SessionKey } from '../src/contracts/ids.js';
import { channelOf } from '../src/live/bus.js';
import type { Writer } from '../src/store/transcript-store.js';

/** An activity's view of its session. */
export interface Execution {
  readonly key: SessionKey;
  readonly workflowId: string;
  /** The session's own transcript. */
  readonly transcript: string;
  readonly run: string;
  /** From 1. */
  readonly attempt: number;
  readonly channel: string;
  /** Aborted on cancellation, timeout and shutdown of the worker. */
  readonly signal: AbortSignal;
  /**
   * How long ago the activity was first scheduled, ms: by Temporal's clock until this attempt was,
   * by this process's from then on, so that two clocks are never compared.
   */
  elapsedMs(): number;
  /** Without a place: for a note that belongs to no step. */
  writer(place?: Pick<WritePlace, 'stage' | 'head'>): Writer;
}

/** Reads the context of the activity that is running. */
export function currentExecution(): Execution {
  const { info, cancellationSignal } = Context.current();
  if (!info.workflowExecution) throw new Error('Perdura’s activities run within a workflow.');
  const { workflowId, runId } = info.workflowExecution;
  const key = sessionOf(workflowId);
  const before = info.currentAttemptScheduledTimestampMs - info.scheduledTimestampMs;
  const begun = performance.now();
  return {
    key,
    workflowId,
    transcript: key.session,
    run: runId,
    attempt: info.attempt,
    channel: channelOf(key),
    signal: cancellationSignal,
    elapsedMs: () => before + (performance.now() - begun),
    writer: (place) => ({
      ...key,
      transcript: key.session,
      run: runId,
      ...(place ? { stage: place.stage } : {}),
      head: place?.head ?? 0,
    }),
  };
}

/**
 * Tells Temporal that this attempt is alive until `stop` is called. The SDK sends at most one
 * heartbeat per 80 % of the timeout, so beating more often costs nothing.
 */
export function keepAlive(): () => void {
  const context = Context.current();
  const timeout = context.info.heartbeatTimeoutMs;
  if (context.info.isLocal || !timeout) return () => undefined;
  // None at once: a heartbeat is a call to the server, and the end of the activity waits for it.
  const timer = setInterval(() => context.heartbeat(), Math.max(200, timeout / 5));
  return () => clearInterval(timer);
}
