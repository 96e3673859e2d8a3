/** Sessions whose workflow was ended in Temporal, not by the session: callers, catalogue, names. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Session } from '../../../src/client/session.js';
import type { SessionEvent } from '../../../src/contracts/events.js';
import { SESSION_WORKFLOW } from '../../../src/contracts/ids.js';
import { openDatabase } from '../../../src/store/database.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';

/** Seconds in which a caller who waits must notice, with what a loaded machine adds. */
const NOTICED_MS = 25_000;

describe('ended outside', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start();
  });
  afterAll(() => h.stop());

  const handleOf = ({ workflowId }: Session) => h.runtime.temporal.workflow.getHandle(workflowId);
  const stateOf = async (session: Session) => (await session.record())?.state;

  async function eventsOf(session: Session): Promise<SessionEvent[]> {
    const events: SessionEvent[] = [];
    for await (const item of session.events({ live: false })) if ('n' in item) events.push(item);
    return events;
  }

  it(
    'terminated while two callers wait → both get Session.Closed, it is on record once',
    { timeout: 2 * NOTICED_MS },
    async () => {
      h.model.enqueue({ hang: true });
      const session = await h.runtime.start();
      const other = h.runtime.session(session.id);
      const asked = [session.ask('one'), other.ask('two')].map((answer) =>
        expect(answer).rejects.toMatchObject({ type: 'Session.Closed' }),
      );
      await eventually(async () => (await stateOf(session)) === 'running');
      await handleOf(session).terminate('by an operator');
      await Promise.all(asked);

      expect(await stateOf(session)).toBe('terminated');
      const events = await eventsOf(session);
      expect(events.slice(-2)).toMatchObject([
        { type: 'turn.failed', turn: 1, failure: { type: 'Session.Closed' } },
        { type: 'session.ended', reason: 'its workflow was terminated' },
      ]);
      expect(events.filter(({ type }) => type === 'session.ended')).toHaveLength(1);
      const attempts = (await session.timeline()).turns[0]!.steps[0]!.attempts;
      expect(attempts.map(({ outcome }) => outcome)).not.toContain('running');
    },
  );

  it('terminated while idle: send, start → Session.Closed, and the catalogue is right', async () => {
    h.model.enqueue('hello');
    const session = await h.runtime.start();
    await session.ask('hi');
    await handleOf(session).terminate();
    expect(await stateOf(session)).toBe('idle');
    await expect(session.send('still there?')).rejects.toMatchObject({
      type: 'Session.Closed',
      message: expect.stringContaining('its workflow was terminated') as string,
    });
    expect(await stateOf(session)).toBe('terminated');
    await expect(h.runtime.start({ session: session.id })).rejects.toMatchObject({
      type: 'Session.Closed',
    });
  });

  it('terminated before anyone noticed: start under its name → Session.Closed, no second life', async () => {
    const session = await h.runtime.start({ session: 'taken' });
    await eventually(() => session.record());
    await handleOf(session).terminate();
    await expect(h.runtime.start({ session: 'taken' })).rejects.toMatchObject({
      type: 'Session.Closed',
    });
    expect(await stateOf(session)).toBe('terminated');
  });

  it('reconcile: one terminated, one running → names the terminated one, once', async () => {
    const [ended, running] = [await h.runtime.start(), await h.runtime.start()];
    await eventually(() => ended.record());
    await eventually(() => running.record());
    await handleOf(ended).terminate();
    expect(await h.runtime.reconcile()).toEqual([ended.id]);
    expect(await stateOf(ended)).toBe('terminated');
    expect(await stateOf(running)).toBe('idle');
    expect(await h.runtime.reconcile()).toEqual([]);
  });

  it('workflow failed: its agent is gone for a while → the next message starts it again', async () => {
    h.model.enqueue('before', 'after');
    const session = await h.runtime.start();
    await session.ask('one');
    await handleOf(session).terminate();
    // As in a session of an earlier version, which recorded none, whose agent is taken out of the
    // configuration before it continues as new.
    const database = openDatabase(inject('databaseUrl'), { maxConnections: 1 });
    await database.pool.query(
      'update perdura.sessions set version = null where tenant = $1 and session = $2',
      [session.tenant, session.id],
    );
    await database.close();
    const failed = await h.runtime.temporal.workflow.start(SESSION_WORKFLOW, {
      workflowId: session.workflowId,
      taskQueue: h.taskQueue,
      args: [{ agent: 'gone' }],
    });
    await expect(failed.result()).rejects.toThrow();
    expect(await h.runtime.reconcile()).toEqual([session.id]);
    expect(await session.record()).toMatchObject({
      state: 'error',
      failure: { type: 'Session.NoWorkflow' },
    });
    expect((await session.ask('two')).text).toBe('after');
    expect(await stateOf(session)).toBe('idle');
  });

  it.runIf(inject('production'))(
    'production server: workflow deleted while a caller waits → Session.NoWorkflow',
    { timeout: 2 * NOTICED_MS },
    async () => {
      h.model.enqueue({ hang: true });
      const session = await h.runtime.start();
      const asked = expect(session.ask('one')).rejects.toMatchObject({
        type: 'Session.NoWorkflow',
      });
      await eventually(async () => (await stateOf(session)) === 'running');
      const { client } = { client: h.runtime.temporal };
      await client.workflowService.deleteWorkflowExecution({
        namespace: client.options.namespace,
        workflowExecution: { workflowId: session.workflowId },
      });
      await asked;
    },
  );
});

describe('a mistyped agent', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start();
  });
  afterAll(() => h.stop());

  const UNKNOWN = { type: 'Agent.Unknown', message: expect.stringContaining('"nope"') as string };

  it('start with a message → Agent.Unknown, and the name is free for a corrected start', async () => {
    h.model.enqueue('corrected');
    await expect(
      h.runtime.start({ agent: 'nope', session: 'x', message: 'hi' }),
    ).rejects.toMatchObject(UNKNOWN);
    const session = await h.runtime.start({ agent: 'assistant', session: 'x' });
    expect((await session.ask('hi')).text).toBe('corrected');
  });

  it('start without a message: ask → Agent.Unknown, and the name is free for a corrected start', async () => {
    h.model.enqueue('corrected');
    const wrong = await h.runtime.start({ agent: 'nope', session: 'y' });
    await expect(wrong.ask('hi')).rejects.toMatchObject(UNKNOWN);
    await expect(wrong.ask('hi')).rejects.toMatchObject(UNKNOWN);
    const session = await h.runtime.start({ agent: 'assistant', session: 'y', message: 'hi' });
    expect((await session.answerTo((await firstMessage(session)).id)).text).toBe('corrected');
  });

  it('corrected, then ended → start under the name is refused', async () => {
    const session = h.runtime.session('x');
    await session.end();
    await eventually(async () => (await session.record())?.state === 'terminated');
    await expect(
      h.runtime.start({ session: 'x', agent: 'assistant', message: 'hi' }),
    ).rejects.toMatchObject({ type: 'Session.Closed' });
  });
});

async function firstMessage(session: Session): Promise<{ id: string }> {
  for await (const item of session.events()) if (item.type === 'message.accepted') return item;
  throw new Error('the stream ended');
}
