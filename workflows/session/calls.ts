/**
 * How the session calls its activities: their timeouts and retries. Durations are milliseconds.
 *
 * All of them are regular activities. A local activity ends somewhere within a workflow task, and
 * where is not on record; so with two of them, or with one and an update, the replay does in one
 * activation what the first run did in two, in another order, and the session can never go on
 * (`test/integration/replay/local-activities.test.ts` has the smallest cases). ESLint keeps them
 * out of every file but `legacy-calls.ts`.
 */
import {
  ActivityCancellationType,
  proxyActivities,
  type ActivityOptions,
} from '@temporalio/workflow';
import {
  STRETCH_MS,
  type CallToolInput,
  type CallToolResult,
  type PlannedCall,
  type SessionActivities,
  type SessionSettings,
} from '../../src/contracts/activities.js';
import { clip } from '../../src/contracts/text.js';

/**
 * Infrastructure is waited for without end: a session must outlive a database that is down.
 * What a model or a tool reports is bounded by the activity itself, which knows why it failed.
 */
export const PATIENT = {
  initialInterval: 250,
  backoffCoefficient: 2,
  maximumInterval: 15_000,
} as const;

/** How long an attempt may wait until the result of a tool that has run is written, ms. */
const RECORD_MS = 600_000;

const DEFAULT_HEARTBEAT_MS = 5_000;
/** Temporal's UI shows a summary of up to 200 bytes. */
const SUMMARY_UNITS = 190;

/** Short writes to the store. */
export type ShortCalls = Omit<SessionActivities, 'callModel' | 'compact'>;

/** What the Temporal UI shows of each. */
const SUMMARIES: Readonly<Record<keyof ShortCalls, string>> = {
  openSession: 'open the session',
  callTool: 'write the result of a tool call',
  endTurn: 'close the turn',
  recordState: 'note the state',
  recordRefusals: 'note what was refused',
  spill: 'move waiting messages to the store',
  readAnswer: 'read an answer',
  publishInterrupt: 'stop the call',
};

export const regularCalls = Object.fromEntries(
  Object.entries(SUMMARIES).map(([name, summary]) => [
    name,
    proxyActivities<SessionActivities>({ startToCloseTimeout: 30_000, retry: PATIENT, summary })[
      name as keyof ShortCalls
    ],
  ]),
) as unknown as ShortCalls;

/**
 * Tells the worker that speaks to stop. One attempt of at most a second: Temporal's own
 * cancellation is under way already, and reaches the worker with its next heartbeat.
 */
export const notifying = proxyActivities<Pick<SessionActivities, 'publishInterrupt'>>({
  startToCloseTimeout: 1_000,
  scheduleToCloseTimeout: 2_000,
  retry: { maximumAttempts: 1 },
  summary: SUMMARIES.publishInterrupt,
});

export function modelCalls(
  settings: SessionSettings,
  summary: string,
): Pick<SessionActivities, 'callModel' | 'compact'> {
  return proxyActivities<SessionActivities>({
    // The last of several steps is begun after at most a stretch, and has its whole time.
    startToCloseTimeout: settings.modelTimeoutMs + STRETCH_MS,
    heartbeatTimeout: settings.heartbeatTimeoutMs,
    retry: { ...PATIENT, maximumInterval: 30_000 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary: clip(summary, SUMMARY_UNITS),
  });
}

/** Runs one tool call. */
export function runTool(
  call: PlannedCall,
  input: CallToolInput,
  settings: SessionSettings,
): Promise<CallToolResult> {
  return proxyActivities<SessionActivities>({
    ...toolOptions(call),
    heartbeatTimeout: settings.heartbeatTimeoutMs ?? DEFAULT_HEARTBEAT_MS,
  }).callTool(input);
}

/** What a tool's activity has in common, wherever it runs. */
export function toolOptions(call: PlannedCall) {
  return {
    // The tool's own deadline comes first, and heartbeats tell of a worker that is gone. The rest
    // is for a result that waits for the store.
    startToCloseTimeout: call.timeoutMs + RECORD_MS,
    retry: {
      initialInterval: call.retryMs,
      backoffCoefficient: 2,
      maximumInterval: 30_000,
      // Without end: the activity counts the tries of the tool, so that an outage of the store
      // and a worker that shuts down use up none.
    },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary: clip(`${call.name}${call.args === undefined ? '' : ` ${call.args}`}`, SUMMARY_UNITS),
  } satisfies ActivityOptions;
}
