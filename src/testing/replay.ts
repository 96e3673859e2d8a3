/**
 * Replays recorded histories against the workflows of this build, or of an application: what
 * proves that new code can be deployed under running sessions. Needs no server.
 *
 *     const handle = runtime.temporal.workflow.getHandle(session.workflowId);
 *     await replayHistory(await handle.fetchHistory());
 *
 *     temporal workflow show --workflow-id … --output json > history.json
 *     await replayHistory(await readFile('history.json', 'utf8'));
 *
 *     for await (const { workflowId, error } of replayHistories(corpus)) …
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

/** What became of one history of several. */
export interface ReplayedHistory {
  readonly workflowId: string;
  readonly runId: string;
  /** Why it could not be replayed. */
  readonly error?: Error;
}

let bundle: Promise<{ code: string }> | undefined;

/**
 * Replays one history: what Temporal's client fetches, or JSON (parsed or not) as its CLI and UI
 * write it. Rejects with Temporal's `DeterminismViolationError` where the code would do something
 * else than was recorded. For hundreds of them use {@link replayHistories}.
 */
export async function replayHistory(given: unknown, options: ReplayOptions = {}): Promise<void> {
  const { workflowId, history } = readHistory(given, options);
  await Worker.runReplayHistory(await replayOptions(options), history, workflowId);
}

/**
 * Replays many histories, one after the other, with one worker. Answers for each what became of it,
 * in their order. (Each worker of Temporal's SDK keeps its source map for good: after some 700
 * workers in a process its stack traces fail, and with them every replay.)
 */
export async function* replayHistories(
  given: Iterable<unknown> | AsyncIterable<unknown>,
  options: ReplayOptions = {},
): AsyncGenerator<ReplayedHistory> {
  async function* histories() {
    for await (const each of given) yield readHistory(each, options);
  }
  for await (const { workflowId, runId, error } of Worker.runReplayHistories(
    await replayOptions(options),
    histories(),
  )) {
    yield { workflowId, runId, ...(error ? { error } : {}) };
  }
}

async function replayOptions(options: ReplayOptions) {
  installRuntime('error');
  return { workflowBundle: options.workflowBundle ?? (await (bundle ??= buildBundle())) };
}

function readHistory(given: unknown, options: ReplayOptions) {
  const history: unknown = typeof given === 'string' ? JSON.parse(given) : given;
  const events = eventsOf(history);
  // In JSON the types of events have names.
  const fetched = typeof (events[0] as { eventType?: unknown } | null)?.eventType === 'number';
  return {
    workflowId: options.workflowId ?? recordedId(events[0]) ?? 'perdura.default.replay',
    history: fetched ? (history as History) : historyFromJSON({ events }),
  };
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
