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
  type CallModelInput,
  type CallModelResult,
  type CallToolInput,
  type CallToolResult,
  type CompactInput,
  type CompactResult,
  type PlannedCall,
  type SessionActivities,
  type SessionSettings,
} from '../../src/contracts/activities.js';
import type { RunReference } from '../../src/contracts/run-reference.js';
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
  handOff: 'hand the conversation over',
  endTurn: 'close the turn',
  moveSession: 'move the session to another agent',
  adoptChild: 'take a session over',
  recordState: 'note the state',
  recordRefusals: 'note what was refused',
  spill: 'move waiting messages to the store',
  readAnswer: 'read an answer',
  publishInterrupt: 'stop the call',
  endGroupTurn: 'hand the answer to the group',
  leavePool: 'give back the slot of the pool',
  publishSteering: 'let a message join the turn',
};

/** Of short writes. Their heartbeats tell of a worker that is gone: a stop must not wait for it. */
export const SHORT_CALL = {
  startToCloseTimeout: 30_000,
  heartbeatTimeout: DEFAULT_HEARTBEAT_MS,
  retry: PATIENT,
} as const;

const regularCalls = Object.fromEntries(
  Object.entries(SUMMARIES).map(([name, summary]) => [
    name,
    proxyActivities<SessionActivities>({ ...SHORT_CALL, summary })[name as keyof ShortCalls],
  ]),
) as unknown as ShortCalls;

/**
 * One attempt of at most a second: Temporal's own cancellation is under way already, and reaches
 * the worker with its next heartbeat.
 */
const NOTIFICATION = {
  startToCloseTimeout: 1_000,
  scheduleToCloseTimeout: 2_000,
  retry: { maximumAttempts: 1 },
} as const;

const notifying = proxyActivities<Pick<SessionActivities, 'publishInterrupt'>>({
  ...NOTIFICATION,
  summary: SUMMARIES.publishInterrupt,
});

/** One attempt too: without it the message joins when the model call ends its series by itself. */
const steering = proxyActivities<Pick<SessionActivities, 'publishSteering'>>({
  ...NOTIFICATION,
  summary: SUMMARIES.publishSteering,
});

/** The calls of which a turn is made. */
export interface TurnCalls {
  callModel(
    input: CallModelInput,
    settings: CallSettings,
    summary: string,
  ): Promise<CallModelResult>;
  compact(input: CompactInput, settings: CallSettings, summary: string): Promise<CompactResult>;
  /** Runs one tool call. */
  runTool(
    call: ToolCallShape,
    input: CallToolInput,
    settings: CallSettings,
  ): Promise<CallToolResult>;
}

/** Timeouts of the calls of a turn. */
export type CallSettings = Pick<SessionSettings, 'modelTimeoutMs' | 'heartbeatTimeoutMs'>;

/** All calls of one session. */
export interface SessionCalls extends TurnCalls {
  readonly short: ShortCalls;
  /** Tells the worker that speaks to stop. */
  readonly notify: (input: { turn: number; tree?: true; ending?: true }) => Promise<void>;
  /** Tells the model call of this stage to make no further step. */
  readonly steer: (input: { stage: number }) => Promise<void>;
}

/** Each call says whose it is: this is the place that adds it. */
export function sessionCalls(run: RunReference): SessionCalls {
  return {
    short: ofRun(regularCalls, run),
    notify: (input) => notifying.publishInterrupt({ ...input, run }),
    steer: (input) => steering.publishSteering({ ...input, run }),
    callModel: (input, settings, summary) =>
      proxyActivities<SessionActivities>(modelOptions(settings, summary)).callModel({
        ...input,
        run,
      }),
    compact: (input, settings, summary) =>
      proxyActivities<SessionActivities>(modelOptions(settings, summary)).compact({
        ...input,
        run,
      }),
    runTool: (call, input, settings) =>
      proxyActivities<SessionActivities>(toolCallOptions(call, settings)).callTool({
        ...input,
        run,
      }),
  };
}

function ofRun(calls: ShortCalls, run: RunReference): ShortCalls {
  const names = Object.keys(SUMMARIES) as (keyof ShortCalls)[];
  return Object.fromEntries(
    names.map((name) => [
      name,
      (input: object) => (calls[name] as (input: object) => unknown)({ ...input, run }),
    ]),
  ) as unknown as ShortCalls;
}

/** Of a model call. */
export function modelOptions(settings: CallSettings, summary: string) {
  return {
    // The last of several steps is begun after at most a stretch, and has its whole time.
    startToCloseTimeout: settings.modelTimeoutMs + STRETCH_MS,
    heartbeatTimeout: settings.heartbeatTimeoutMs,
    retry: { ...PATIENT, maximumInterval: 30_000 },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    summary: clip(summary, SUMMARY_UNITS),
  } satisfies ActivityOptions;
}

/** Of one tool call. */
export function toolCallOptions(call: ToolCallShape, { heartbeatTimeoutMs }: CallSettings) {
  return {
    ...toolOptions(call),
    heartbeatTimeout: heartbeatTimeoutMs ?? DEFAULT_HEARTBEAT_MS,
  } satisfies ActivityOptions;
}

/** What of a planned call its activity depends on. */
export type ToolCallShape = Pick<PlannedCall, 'name' | 'timeoutMs' | 'retryMs' | 'args'>;

/** What a tool's activity has in common, wherever it runs. */
export function toolOptions(call: ToolCallShape) {
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
