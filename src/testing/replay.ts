/**
 * Replays recorded histories against the workflows of this build, or of an application: what
 * proves that new code can be deployed under running sessions. Needs no server.
 *
 *     temporal workflow show --workflow-id … --output json > history.json
 *     await replayHistory(JSON.parse(await readFile('history.json', 'utf8')));
 */
import { Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { buildBundle } from '../../worker/bundle.js';

export interface ReplayOptions {
  /** Default: made from the sources of this build. */
  readonly workflowBundle?: WorkflowBundleOption;
  /** Default: the one in the history, where there is one. A session derives its name from it. */
  readonly workflowId?: string;
}

let bundle: Promise<{ code: string }> | undefined;

/**
 * Replays one history, as JSON. Rejects with Temporal's `DeterminismViolationError` where the
 * code would do something else than was recorded.
 */
export async function replayHistory(history: unknown, options: ReplayOptions = {}): Promise<void> {
  const events = eventsOf(history);
  const workflowId = options.workflowId ?? recordedId(events[0]) ?? 'perdura.default.replay';
  const workflowBundle = options.workflowBundle ?? (await (bundle ??= buildBundle()));
  await Worker.runReplayHistory({ workflowBundle }, historyFromJSON({ events }), workflowId);
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
