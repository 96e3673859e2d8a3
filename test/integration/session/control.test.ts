import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tool } from '../../../src/contracts/define-tool.js';
import { HANDLERS } from '../../../src/contracts/session.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { Harness } from '../../support/harness.js';
import { eventually, saidTexts, userTexts } from '../../support/observe.js';

let release: () => void = () => undefined;
let began = 0;
const wait = tool({
  name: 'wait',
  description: 'Waits for the test.',
  parameters: z.object({}),
  effect: 'read',
  execute: () => {
    began += 1;
    return new Promise<string>((resolve) => (release = () => resolve('waited')));
  },
});

describe('control', () => {
  let h: Harness;
  let one: Harness;
  beforeAll(async () => {
    h = await Harness.start({ tools: [wait] });
    one = await Harness.start({ agent: { unread: 'one' } });
  });
  afterAll(() => Promise.all([h.stop(), one.stop()]));

  const states = async (session: Awaited<ReturnType<Harness['runtime']['start']>>) =>
    (await session.timeline()).states.map(({ state }) => state);

  it('unread `all`: messages that wait → one turn takes them, in order', async () => {
    const session = await h.runtime.start();
    await session.pause();
    for (const text of ['a', 'b', 'c']) await session.send(text);
    h.model.enqueue('all three');
    const asked = session.ask('d');
    await eventually(async () => (await session.status()).queued === 4);
    await session.resume();
    expect(await asked).toMatchObject({ turn: 1, text: 'all three' });
    expect(h.model.requests.at(-1)!.messages.map(({ text }) => text)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('unread `one`: messages that wait → a turn each, in order', async () => {
    one.model.reply(/^/, (request) => `re: ${request.lastUserText}`);
    const session = await one.runtime.start();
    await session.pause();
    for (const text of ['a', 'b', 'c']) await session.send(text);
    await session.resume();
    expect(await session.ask('d')).toMatchObject({ turn: 4, text: 're: d' });
    expect(saidTexts(await session.transcript())).toEqual(['re: a', 're: b', 're: c', 're: d']);
  });

  it('message: sent during a turn → waits for the next turn', async () => {
    h.model.enqueue({ toolCalls: [{ name: 'wait' }] }, 'first', 'second');
    const session = await h.runtime.start();
    const before = began;
    const first = session.ask('one');
    await eventually(() => began > before);
    expect(await session.send('two')).toMatchObject({ ahead: 0 });
    expect(await session.status()).toMatchObject({ state: 'running', queued: 1 });
    release();
    expect(await first).toMatchObject({ turn: 1, text: 'first' });
    await eventually(async () => saidTexts(await session.transcript()).includes('second'));
    const { turns } = await session.timeline();
    expect(turns.map(({ messages }) => messages.map(({ text }) => text))).toEqual([
      ['one'],
      ['two'],
    ]);
  });

  it('pause: in the middle of a turn → holds before the next step, resumes there', async () => {
    h.model.enqueue({ toolCalls: [{ name: 'wait' }] }, 'done');
    const session = await h.runtime.start();
    const before = began;
    const asked = session.ask('x');
    await eventually(() => began > before);
    const requests = h.model.requests.length;
    await session.pause();
    await session.pause();
    release();
    await eventually(async () => (await session.transcript()).at(-1)?.message.role === 'tool');
    expect(await session.status()).toMatchObject({ state: 'paused', turn: 1, step: 1 });
    // Noted beside the turn: a sender does not wait for it.
    await eventually(async () => (await session.record())!.state === 'paused');
    expect(h.model.requests.length).toBe(requests);
    await session.resume();
    expect((await asked).text).toBe('done');
    await eventually(async () => (await states(session)).length === 2);
    expect(await states(session)).toEqual(['paused', 'running']);
    await eventually(async () => (await session.record())!.state === 'idle');
  });

  it('pause and resume: many at once → the catalogue shows the last, in order, and nothing breaks', async () => {
    h.model.enqueue('done');
    const session = await h.runtime.start();
    const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
    for (let i = 0; i < 8; i++) {
      await handle.signal(i % 2 === 0 ? HANDLERS.pause : HANDLERS.resume);
    }
    await session.pause();
    await eventually(async () => (await states(session)).length === 9);
    expect((await states(session)).filter((_, i) => i % 2 === 0)).toEqual(Array(5).fill('paused'));
    expect((await session.record())!.state).toBe('paused');
    await session.resume();
    expect((await session.ask('x')).text).toBe('done');
  });

  it('signals: many before the first task → taken in the order in which they came', async () => {
    await h.stopWorker();
    h.model.enqueue('first', 'second');
    const { workflow } = h.runtime.temporal;
    const session = h.runtime.session('early-signals');
    const handle = await workflow.signalWithStart('agentSession', {
      workflowId: session.workflowId,
      taskQueue: h.taskQueue,
      args: [{ agent: 'assistant' }],
      signal: HANDLERS.pause,
    });
    await handle.signal(HANDLERS.resume);
    await handle.signal(HANDLERS.message, 'one');
    await handle.signal('unheard', 'of');
    await handle.signal(HANDLERS.pause);
    await h.startWorker();
    await eventually(async () => (await states(session)).length === 3);
    expect(await states(session)).toEqual(['paused', 'idle', 'paused']);
    expect((await session.status()).state).toBe('paused');
    await session.resume();
    await eventually(async () => saidTexts(await session.transcript()).includes('first'));
    expect((await session.ask('two')).text).toBe('second');
    await replayHistory(await handle.fetchHistory());
  });

  it('pause: while a turn is at work on every step → the session lives, whatever the moment', async () => {
    h.model.reply('busy', (request) =>
      request.messages.filter(({ role }) => role === 'tool').length % 12 === 11
        ? 'done'
        : { toolCalls: [{ name: 'nothing' }, { name: 'wait' }] },
    );
    const session = await h.runtime.start();
    const letGo = setInterval(() => release(), 5);
    try {
      const asked = session.ask('busy').catch((error: unknown) => error);
      for (let i = 0; i < 10; i++) {
        await session.pause();
        await session.resume();
      }
      expect(await asked).toBeDefined();
    } finally {
      clearInterval(letGo);
    }
    expect((await session.status()).state).not.toBe('terminated');
    h.model.enqueue('alive');
    expect((await session.ask('still there?')).text).toBe('alive');
  });

  // The rest of it is in wake-up.test.ts, on a server that skips time.
  it('wakeUpAfter: a moment, on the clock of this server → the agent wakes once', async () => {
    h.model.enqueue('good night', 'awake');
    const session = await h.runtime.start();
    await session.ask('sleep');
    await session.wakeUpAfter(50);
    await eventually(async () => saidTexts(await session.transcript()).includes('awake'));
    expect(userTexts(await session.transcript())).toHaveLength(2);
    expect((await session.timeline()).turns[1]!.messages).toMatchObject([{ from: 'timer' }]);
  });

  it('end: in the middle of a turn → interrupted, recorded, the result says why', async () => {
    h.model.enqueue({ toolCalls: [{ name: 'wait' }] });
    const session = await h.runtime.start();
    const before = began;
    const asked = session.ask('x').catch((error: { type: string }) => error.type);
    await eventually(() => began > before);
    await session.send('never read');
    await session.end('enough');
    expect(await asked).toBe('Turn.Interrupted');
    const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
    expect(await handle.result()).toMatchObject({ turns: 1, reason: 'enough' });
    expect(userTexts(await session.transcript())).toEqual(['x', 'never read']);
    expect((await session.record())!.state).toBe('terminated');
    expect((await session.timeline()).states).toMatchObject([
      { state: 'terminated', reason: 'enough' },
    ]);
  });

  it('workflow: cancelled from Temporal in the middle of a turn → ends in order', async () => {
    h.model.enqueue({ text: 'word '.repeat(300), chunkSize: 5, chunkDelayMs: 20 });
    const session = await h.runtime.start();
    const asked = session.ask('x').catch((error: { type: string }) => error.type);
    for await (const item of session.events()) if (item.type === 'delta') break;
    const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
    await handle.cancel();
    expect(await handle.result()).toMatchObject({ reason: 'The workflow was cancelled.' });
    expect(await asked).toBe('Turn.Interrupted');
    expect((await session.transcript()).at(-1)!.message).toMatchObject({ finish: 'interrupted' });
    expect((await session.record())!.state).toBe('terminated');
  });

  it('workflow: cancelled from Temporal while idle, paused or just started → ends in order', async () => {
    for (const how of ['idle', 'paused', 'new'] as const) {
      const session = await h.runtime.start();
      if (how !== 'new') await eventually(async () => (await session.record()) !== undefined);
      if (how === 'paused') await session.pause();
      const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
      await handle.cancel();
      expect(await handle.result()).toMatchObject({ turns: 0 });
      expect((await session.record())!.state).toBe('terminated');
    }
  });

  it('agent: unknown → the sender is told, and the workflow fails with the reason', async () => {
    const name = `s-${randomUUID()}`;
    const started = h.runtime.start({ session: name, agent: 'nobody', message: 'x' });
    await expect(started).rejects.toMatchObject({ type: 'Agent.Unknown' });
    const handle = h.runtime.temporal.workflow.getHandle(h.runtime.session(name).workflowId);
    await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'Agent.Unknown' } });
  });
});
