/**
 * Replays recorded histories against the workflows of this build, or of an application: what
 * proves that new code can be deployed under running sessions. Needs no server.
 *
 *     const handle = runtime.temporal.workflow.getHandle(session.workflowId);
 *     await replayHistory(await handle.fetchHistory());
 *
 *     temporal workflow show --workflow-id … --output json > history.json
 *     await replayHistory(await readFile('history.json', 'utf8'));
 */
import { Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { historyFromJSON, type History } from '@temporalio/common/lib/proto-utils.js';
import { buildBundle } from '../../worker/bundle.js';
import { installRuntime } from '../../worker/runtime.js';

export interface ReplayOptions {
  /** Default: made from the sources of this build. */
  readonly workflowBundle?: WorkflowBundleOption;
  /** Default: the one in the history, where there is one. A session derives its name from it. */
  readonly workflowId?: string;
}

let bundle: Promise<{ code: string }> | undefined;

/**
 * Replays one history: what Temporal's client fetches, or JSON (parsed or not) as its CLI and UI
 * write it. Rejects with Temporal's `DeterminismViolationError` where the code would do something
 * else than was recorded.
 */
export async function replayHistory(given: unknown, options: ReplayOptions = {}): Promise<void> {
  const history: unknown = typeof given === 'string' ? JSON.parse(given) : given;
  const events = eventsOf(history);
  const workflowId = options.workflowId ?? recordedId(events[0]) ?? 'perdura.default.replay';
  installRuntime('error');
  const workflowBundle = options.workflowBundle ?? (await (bundle ??= buildBundle()));
  // In JSON the types of events have names.
  const fetched = typeof (events[0] as { eventType?: unknown } | null)?.eventType === 'number';
  const replayed = fetched ? (history as History) : historyFromJSON({ events });
  await Worker.runReplayHistory({ workflowBundle }, replayed, workflowId);
}

function eventsOf(history: unknown): readonly unknown[] {
  const events = (history as { events?: unknown } | null)?.events;
  if (Array.isArray(events) && events.length > 0) return events;
  throw new TypeError('This is not a history: it has no `events`.');
}

/** Servers since 1.24 write it there. */
function recordedId(started: unknown): string | undefined {
  const { workflowExecutionStartedEventAttributes: attributes } = started as {
    workflowExecutionStartedEventAttributes?: { workflowId?: unknown };
  };
  return typeof attributes?.workflowId === 'string' ? attributes.workflowId : undefined;
}
