/**
 * How the session calls its activities: which are regular and which local, their timeouts
 * and retries. Durations are milliseconds.
 */
import {
  ActivityCancellationType,
  proxyActivities,
  proxyLocalActivities,
  type ActivityOptions,
  type LocalActivityOptions,
} from '@temporalio/workflow';
import {
  STRETCH_MS,
  type CallToolInput,
  type CallToolResult,
  type PlannedCall,
  type SessionActivities,
  type SessionSettings,
} from '../src/contracts/activities.js';

/**
 * Infrastructure is waited for without end: a session must outlive a database that is down.
 * What a model or a tool reports is bounded by the activity itself, which knows why it failed.
 */
const PATIENT = { initialInterval: 250, backoffCoefficient: 2, maximumInterval: 15_000 } as const;

const DEFAULT_HEARTBEAT_MS = 5_000;
/** How long an attempt may wait until the result of a tool that has run is written, ms. */
const RECORD_MS = 600_000;

/** Short writes to the store, in the worker that holds the session: no dispatch. */
export const local = proxyLocalActivities<SessionActivities>({
  startToCloseTimeout: 30_000,
  retry: PATIENT,
  // Beyond this wait a retry becomes a timer of the workflow, and the task is not kept open.
  localRetryThreshold: 5_000,
});

/**
 * What the handler of an update calls. Regular: a local activity there, with other updates coming
 * in meanwhile, leaves a history that Temporal's SDK cannot replay ("UpdateMachine in state
 * CompletedCommandCreated says the transition is invalid"; 1.24, seen on a production server).
 */
export const regular = proxyActivities<Pick<SessionActivities, 'readAnswer'>>({
  startToCloseTimeout: 30_000,
  retry: PATIENT,
});

export function modelCalls(
  policy: SessionSettings,
  summary: string,
): Pick<SessionActivities, 'callModel' | 'compact'> {
  return proxyActivities<SessionActivities>({
    // The last of several steps is begun after at most a stretch, and has its whole time.
    startToCloseTimeout: policy.modelTimeoutMs + STRETCH_MS,
    heartbeatTimeout: policy.heartbeatTimeoutMs,
    retry: { ...PATIENT, maximumInterval: 30_000 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary,
  });
}

/** Runs one tool call where its plan says. */
export function runTool(
  call: PlannedCall,
  input: CallToolInput,
  policy: SessionSettings | undefined,
): Promise<CallToolResult> {
  const shared = {
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
    summary: `${call.name}${call.args === undefined ? '' : ` ${call.args}`}`.slice(0, 190),
  } satisfies ActivityOptions & LocalActivityOptions;
  return call.run === 'local'
    ? proxyLocalActivities<SessionActivities>(shared).callTool(input)
    : proxyActivities<SessionActivities>({
        ...shared,
        heartbeatTimeout: policy?.heartbeatTimeoutMs ?? DEFAULT_HEARTBEAT_MS,
      }).callTool(input);
}
