/** Who called: the run behind an activity, its attempt, its heartbeat. */
import { Context } from '@temporalio/activity';
import type { WritePlace } from '../src/contracts/activities.js';
import { PerduraError } from '../src/contracts/failures.js';
import { sessionOf, SESSION_WORKFLOW, type SessionKey } from '../src/contracts/ids.js';
import { keyOf, transcriptOf, type RunReference } from '../src/contracts/run-reference.js';
import { channelOf } from '../src/live/bus.js';
import type { Writer } from '../src/store/transcript-store.js';

/** An activity's view of the run that it works for. */
export interface Execution {
  /** Where the store keeps what the run has done. */
  readonly key: SessionKey;
  readonly workflowId: string;
  readonly transcript: string;
  /** Run id of the workflow. */
  readonly run: string;
  /** From 1. */
  readonly attempt: number;
  readonly channel: string;
  /** Whether the store has a context of the session. */
  readonly hasContext: boolean;
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

/**
 * Reads the context of the activity that is running, for the run that its input names. Without one
 * it works for the session behind the workflow id (a history of an earlier version). Throws
 * `Request.Invalid` for any other workflow: nobody guesses whose tenant's its work is.
 */
export function currentExecution(reference?: RunReference): Execution {
  const { info, cancellationSignal } = Context.current();
  if (!info.workflowExecution) throw new Error('Perdura’s activities run within a workflow.');
  const { workflowId, runId } = info.workflowExecution;
  const ofRun = reference ?? sessionReference(workflowId, info.workflowType);
  const key = keyOf(ofRun);
  const transcript = transcriptOf(ofRun);
  const before = info.currentAttemptScheduledTimestampMs - info.scheduledTimestampMs;
  const begun = performance.now();
  return {
    key,
    workflowId,
    transcript,
    run: runId,
    attempt: info.attempt,
    channel: channelOf(key),
    hasContext: ofRun.context === true,
    signal: cancellationSignal,
    elapsedMs: () => before + (performance.now() - begun),
    writer: (place) => ({
      ...key,
      transcript,
      run: runId,
      ...(place ? { stage: place.stage } : {}),
      head: place?.head ?? 0,
    }),
  };
}

function sessionReference(workflowId: string, workflowType = 'unknown'): RunReference {
  if (workflowType !== SESSION_WORKFLOW) {
    throw new PerduraError(
      'Request.Invalid',
      `The workflow "${workflowType}" calls an activity of Perdura without a "run": state tenant, kind and id, as perdura/workflow does.`,
    );
  }
  const { tenant, session } = sessionOf(workflowId);
  return { tenant, id: session };
}

/** An activity that tells Temporal that it is alive: one whose worker was killed is made again soon. */
export function beating<I, R>(run: (input: I) => Promise<R>): (input: I) => Promise<R> {
  return async (input) => {
    const stop = keepAlive();
    try {
      return await run(input);
    } finally {
      stop();
    }
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
