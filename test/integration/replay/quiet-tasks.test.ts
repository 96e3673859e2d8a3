/**
 * Tasks in which a workflow does nothing, and an update behind them. Where two tasks in a row bring
 * no command and nothing stands between them, Temporal's core takes them for a heartbeat and replays
 * them as one (`find_end_index_of_next_wft_seq` in sdk-core, history_update.rs). The SDK then runs
 * the handler of the update before the end of an activity that came long before it. So a handler
 * acts only on what the rest of its task has left behind (`settled` in workflows/waiting.ts).
 */
import { temporal } from '@temporalio/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayHistory } from '../../../src/testing/replay.js';
import type { Session } from '../../../src/client/session.js';
import { eventually } from '../../support/eventually.js';
import { Harness } from '../../support/harness.js';

const { EventType } = temporal.api.enums.v1;

let h: Harness;
beforeAll(async () => {
  h = await Harness.start();
});
afterAll(() => h.stop());

const handleOf = (session: Session) => h.runtime.temporal.workflow.getHandle(session.workflowId);

/** Types of the events, the oldest first, without the words that all have. */
async function eventsOf(session: Session): Promise<string[]> {
  const { events } = await handleOf(session).fetchHistory();
  return (events ?? []).map(({ eventType }) => EventType[eventType!].replace('EVENT_TYPE_', ''));
}

const TASK = 'WORKFLOW_TASK_SCHEDULED,WORKFLOW_TASK_STARTED,WORKFLOW_TASK_COMPLETED';
const QUIET = `WORKFLOW_EXECUTION_SIGNALED,${TASK},ACTIVITY_TASK_STARTED,ACTIVITY_TASK_COMPLETED,${TASK}`;

/**
 * A turn in which a signal brings nothing, so that neither its task nor the end of the turn has a
 * command. On a busy machine both may come in one task: then another session is tried.
 */
async function quietTurn(): Promise<Session> {
  for (;;) {
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    let begun!: () => void;
    const speaking = new Promise<void>((resolve) => (begun = resolve));
    h.model.enqueue(async () => {
      begun();
      await held;
      return 'Hello.';
    });
    const session = await h.runtime.start({ agent: 'assistant' });
    await session.send('hi');
    await speaking;
    await handleOf(session).signal('resume');
    const done = (type: string) => (events: readonly string[]) =>
      events.includes(type) && events.at(-1) === 'WORKFLOW_TASK_COMPLETED';
    await eventually(() => eventsOf(session), done('WORKFLOW_EXECUTION_SIGNALED'));
    const before = (await eventsOf(session)).length;
    release();
    const events = await eventually(
      () => eventsOf(session),
      (seen) => seen.length > before && done('ACTIVITY_TASK_COMPLETED')(seen.slice(before)),
    );
    if (events.slice(-9).join() === QUIET) return session;
    await session.end();
  }
}

describe('an update and a signal after tasks in which nothing was done', () => {
  it('interrupt after the end of the turn → it stops nothing, and its history replays', async () => {
    const session = await quietTurn();
    const ended = (await eventsOf(session)).length;
    await h.stopWorker();
    const interrupted = session.interrupt();
    await eventually(
      () => eventsOf(session),
      (events) => events.length > ended,
    );
    // Its refusal is written: a command of the task in which the update is accepted.
    await handleOf(session).signal('message', 42);
    await h.startWorker();
    expect(await interrupted).toMatchObject({ interrupted: false });
    await replayHistory(await handleOf(session).fetchHistory());
    await session.end();
  });
});
