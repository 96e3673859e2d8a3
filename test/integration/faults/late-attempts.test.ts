import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { TranscriptStore, type Writer } from '../../../src/store/transcript-store.js';
import { channelOf } from '../../../src/live/bus.js';
import { HANDLERS } from '../../../src/contracts/session.js';
import { NO_USAGE, type AssistantMessage } from '../../../src/contracts/message.js';
import { Harness } from '../../support/harness.js';
import { eventually, saidTexts, userTexts } from '../../support/observe.js';
import type { Session } from '../../../src/client/session.js';

const late: AssistantMessage = {
  role: 'assistant',
  id: 'late',
  text: 'LATE ANSWER',
  finish: 'stop',
  model: 'gpt-test',
};

describe('late attempts', () => {
  let h: Harness;
  let database: Database;
  let store: TranscriptStore;
  beforeAll(async () => {
    h = await Harness.start();
    database = openDatabase(inject('databaseUrl'), { maxConnections: 2 });
    store = new TranscriptStore(database);
  });
  afterAll(async () => {
    await h.stop();
    await database.close();
  });

  /** A writer as an activity of this run and stage would be. */
  const writer = async (session: Session, stage: number, head: number): Promise<Writer> => {
    const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
    const { runId } = await handle.describe();
    const key = { tenant: session.tenant, session: session.id };
    return { ...key, transcript: session.id, run: runId, stage, head };
  };
  const answer = (session: Session, seq: number, key: string) => ({
    channel: channelOf({ tenant: session.tenant, session: session.id }),
    messages: [{ seq, key, turn: 1, step: 1, attempt: 1, body: late, usage: NO_USAGE }],
  });
  const stageOf = async (session: Session): Promise<number> => {
    const row = await database.pool.query<{ stage: string }>(
      'select stage from perdura.transcripts where tenant = $1 and transcript = $2',
      [session.tenant, session.id],
    );
    return Number(row.rows[0]!.stage);
  };

  it('F21 attempt: timed out and still running, writes while the next one speaks → one answer, from whoever was first', async () => {
    // The second attempt is what holds its answer back; the first is played by hand.
    let finish: (text: string) => void = () => undefined;
    h.model.enqueue({ error: { status: 500 } }, () => new Promise((resolve) => (finish = resolve)));
    const session = await h.runtime.start();
    const before = h.model.requests.length;
    const asked = session.ask('x');
    await h.model.until(({ requests }) => requests.length === before + 2);
    const stage = await stageOf(session);
    await store.append(await writer(session, stage, 0), answer(session, 2, `a${stage}.1`));
    finish('second');
    expect((await asked).text).toBe('LATE ANSWER');
    expect(saidTexts(await session.transcript())).toEqual(['LATE ANSWER']);
  });

  it('F21 attempt: writes after the step is over → fenced, nothing changes', async () => {
    h.model.enqueue('one', 'two');
    const session = await h.runtime.start();
    await session.ask('x');
    const stage = await stageOf(session);
    await session.ask('y');
    const stale = await writer(session, stage, 0);
    await expect(store.append(stale, answer(session, 2, `a${stage}.1`))).rejects.toMatchObject({
      type: 'Store.Fenced',
    });
    expect(saidTexts(await session.transcript())).toEqual(['one', 'two']);
  });

  it('F21 attempt: killed after its first write → the next one does not repeat the message', async () => {
    h.model.enqueue({ error: { status: 500 } }, 'done');
    const session = await h.runtime.start();
    await session.ask({ id: 'm', text: 'x' });
    expect(userTexts(await session.transcript())).toEqual(['x']);
    const accepted = (await session.timeline()).turns[0]!.messages;
    expect(accepted).toHaveLength(1);
  });

  it('F21 run: taken over by another run → the old one is fenced, what it left unaccepted is void', async () => {
    h.model.enqueue('one');
    const session = await h.runtime.start();
    await session.ask('x');
    const old = await writer(session, 50, 2);
    // The old run is in the middle of something nobody accepts.
    await store.append(old, answer(session, 3, 'a50'));
    expect(saidTexts(await session.transcript())).toEqual(['one', 'LATE ANSWER']);
    const next = { ...old, run: 'another-run', stage: 1 };
    const { epoch } = await store.append(next, { channel: 'none', events: [] });
    expect(epoch).toBe(2);
    expect(saidTexts(await session.transcript())).toEqual(['one']);
    for (const stage of [51, 1_000]) {
      await expect(store.append({ ...old, stage }, answer(session, 3, 'a'))).rejects.toMatchObject({
        type: 'Store.Fenced',
      });
    }
  });

  it('F21 run: taken over by a note without a stage → the old one is fenced, the new one goes on', async () => {
    h.model.enqueue('one');
    const session = await h.runtime.start();
    await session.ask('x');
    const old = await writer(session, 50, 2);
    const { stage: _, ...note } = { ...old, run: 'another-run' };
    await store.append(note, { channel: 'none', events: [] });
    await expect(store.append(old, answer(session, 3, 'a50'))).rejects.toMatchObject({
      type: 'Store.Fenced',
    });
    const next = { ...old, run: 'another-run', stage: 1 };
    const { existing } = await store.append(next, answer(session, 3, 'a1'));
    expect(existing).toEqual([]);
    expect(saidTexts(await session.transcript())).toEqual(['one', 'LATE ANSWER']);
  });

  it('F21 run: reset by Temporal to its first task → goes on with one entry for each message', async () => {
    h.model.reply('reset', (request) => `re: ${request.lastUserText}`);
    const session = await h.runtime.start();
    await session.ask('reset one');
    await session.ask('reset two');
    const { temporal } = h.runtime;
    const namespace = 'default';
    const handle = temporal.workflow.getHandle(session.workflowId);
    const { runId } = await handle.describe();
    const { events } = await handle.fetchHistory();
    const done = events!.filter((e) => e.workflowTaskCompletedEventAttributes);
    const target = done.at(-1)!.eventId!;
    try {
      await temporal.workflowService.resetWorkflowExecution({
        namespace,
        workflowExecution: { workflowId: session.workflowId, runId },
        reason: 'test',
        requestId: 'reset',
        workflowTaskFinishEventId: target,
      });
    } catch (error) {
      // Temporal's test server cannot reset.
      expect(String((error as { details?: string }).details ?? error)).toMatch(
        /unimplemented|not.*implemented|UNIMPLEMENTED/i,
      );
      return;
    }
    await eventually(async () => (await handle.describe()).runId !== runId);
    expect((await session.ask('reset three')).text).toBe('re: reset three');
    expect(userTexts(await session.transcript())).toEqual([
      'reset one',
      'reset two',
      'reset three',
    ]);
    expect(saidTexts(await session.transcript())).toHaveLength(3);
    await handle.signal(HANDLERS.terminate);
  });
});
