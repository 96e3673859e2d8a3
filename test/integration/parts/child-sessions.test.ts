/** Sessions that a workflow of an application starts and asks, and messages to such a workflow. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { WorkflowBundleOption } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { replayHistory } from '../../../src/testing/replay.js';
import { buildBundle } from '../../../worker/bundle.js';
import { Harness } from '../../support/harness.js';
import { eventually, userTexts } from '../../support/observe.js';

describe('sessions of a workflow of one’s own', () => {
  let h: Harness;
  let workflowBundle: WorkflowBundleOption;
  beforeAll(async () => {
    const path = fileURLToPath(new URL('../../fixtures/loop-workflows.ts', import.meta.url));
    workflowBundle = await buildBundle(path);
    h = await Harness.start({ workflowBundle, agent: { unread: 'one' } });
  }, 60_000);
  afterAll(() => h.stop());

  const start = (workflow: string, ...args: unknown[]) =>
    h.runtime.temporal.workflow.start(workflow, {
      workflowId: `${workflow}-${randomUUID()}`,
      taskQueue: h.taskQueue,
      args,
    });
  const replays = async (workflowId: string) => {
    const history = await h.runtime.temporal.workflow.getHandle(workflowId).fetchHistory();
    await replayHistory(history, { workflowBundle, workflowId });
    return history.events!;
  };

  it('child session: asked twice → both answers; both histories replay', async () => {
    h.model.enqueue('one', 'two');
    const session = `child-${randomUUID()}`;
    const handle = await start('askSession', h.tenant, { session, questions: ['a', 'b'] });
    expect(await handle.result()).toEqual(['one', 'two']);
    await replays(handle.workflowId);
    const child = h.runtime.session(session);
    await replays(child.workflowId);
    expect(userTexts(await child.transcript())).toEqual(['a', 'b']);
  });

  // The Java test server leaves children alone when their parent ends.
  it.runIf(inject('production'))(
    'production server: child session, its parent has ended → it ends in order',
    async () => {
      h.model.enqueue('one');
      const session = `child-${randomUUID()}`;
      const handle = await start('askSession', h.tenant, { session, questions: ['a'] });
      await handle.result();
      const child = h.runtime.session(session);
      await eventually(async () => (await child.record())?.state === 'terminated');
      await replays(child.workflowId);
    },
  );

  it('child session: its turn fails → the asker gets the type, and may ask again', async () => {
    h.model.enqueue({ error: { status: 400, message: 'no' } }, 'better');
    const handle = await start('askSession', h.tenant, { questions: ['a', 'b'] });
    expect(await handle.result()).toEqual(['Model.BadRequest', 'better']);
  });

  it('child session: its asker is gone → the session goes on', async () => {
    let gone: () => void = () => undefined;
    const left = new Promise<void>((resolve) => (gone = resolve));
    h.model.enqueue(() => left.then(() => 'late'), 'next');
    const name = `left-${randomUUID()}`;
    const handle = await start('askAndLeave', h.tenant, name, 'hello');
    await handle.result();
    gone();
    const session = h.runtime.session(name);
    expect(await session.ask('and now?')).toMatchObject({ text: 'next' });
    const texts = (await session.transcript()).flatMap(({ message }) =>
      message.role === 'assistant' ? [message.text] : [],
    );
    expect(texts).toEqual(['late', 'next']);
    const failed = await eventually(async () => {
      const events = await replays(session.workflowId);
      return events.find((event) => event.signalExternalWorkflowExecutionFailedEventAttributes);
    });
    expect(failed).toBeDefined();
  });

  it('a session of a user, asked by a workflow → the answer; the same id again → the same answer', async () => {
    h.model.enqueue('first');
    const session = await h.runtime.start({ session: `ext-${randomUUID()}` });
    const asked = { id: 'question-1', text: 'hello' };
    const options = { session: session.id, external: true };
    const one = await start('askSession', h.tenant, { ...options, questions: [asked] });
    expect(await one.result()).toEqual(['first']);
    const two = await start('askSession', h.tenant, { ...options, questions: [asked] });
    expect(await two.result()).toEqual(['first']);
    const other = { ...asked, text: 'another' };
    const three = await start('askSession', h.tenant, { ...options, questions: [other] });
    expect(await three.result()).toEqual(['Message.Conflict']);
    expect(userTexts(await session.transcript())).toEqual(['hello']);
    await session.end();
    await eventually(async () => (await session.record())?.state === 'terminated');
    const four = await start('askSession', h.tenant, { ...options, questions: ['late'] });
    // By the session itself where it is in its last task, by Temporal afterwards.
    const [told] = (await four.result()) as string[];
    expect(['Session.Closed', 'Session.NoWorkflow']).toContain(told);
  });

  it('a session that ends → whoever waits for an answer is told', async () => {
    h.model.enqueue({ text: 'A long story. '.repeat(100), chunkDelayMs: 100 });
    const session = await h.runtime.start({ session: `end-${randomUUID()}` });
    const before = h.model.requests.length;
    const ask = (text: string) =>
      start('askSession', h.tenant, { session: session.id, external: true, questions: [text] });
    const speaking = await ask('tell');
    await eventually(() => h.model.requests.length > before);
    const queued = await ask('wait');
    await eventually(async () => (await session.status()).queued === 1);
    await session.end('enough');
    expect(await speaking.result()).toEqual(['Turn.Interrupted']);
    expect(await queued.result()).toEqual(['Session.Closed']);
    await replays(session.workflowId);
  });

  it('replyTo: that is none, or without an id → refused, the session goes on', async () => {
    const session = await h.runtime.start();
    const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
    await handle.signal('message', { id: 'x', text: 'hi', replyTo: 'somebody' });
    await handle.signal('message', { text: 'hi', replyTo: { workflowId: 'somebody' } });
    h.model.enqueue('well');
    expect(await session.ask('go')).toMatchObject({ text: 'well' });
    expect(userTexts(await session.transcript())).toEqual(['go']);
  });

  it('messages: signalled and sent to a workflow, over continue-as-new → each once, in order', async () => {
    const handle = await start('collect', 3);
    await handle.signal('message', 'one');
    await handle.signal('message', { id: '2', text: 'two' });
    await handle.signal('message', { id: '2', text: 'two' });
    await handle.signal('message', { nothing: true });
    await eventually(async () => {
      const { runId } = await handle.describe();
      return runId !== handle.firstExecutionRunId;
    });
    const update = (args: [unknown]) => handle.executeUpdate('send', { args });
    expect(await update([{ id: '2', text: 'two' }])).toMatchObject({ duplicate: true });
    expect(await update([{ id: '3', text: 'three' }])).toMatchObject({ id: '3', duplicate: false });
    await handle.signal('message', 'four');
    expect(await handle.result()).toEqual(['two', 'three', 'four']);
  });
});
