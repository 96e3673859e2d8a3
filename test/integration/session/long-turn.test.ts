import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tool } from '../../../src/contracts/define-tool.js';
import { HANDLERS } from '../../../src/contracts/session.js';
import { Harness } from '../../support/harness.js';
import { eventually, runsOf, userTexts } from '../../support/observe.js';

const noop = tool({
  name: 'noop',
  description: 'Does nothing.',
  parameters: z.object({}),
  effect: 'read',
  execute: () => 'done',
});
const step = { toolCalls: Array.from({ length: 40 }, () => ({ name: 'noop' })) };

/** Turns that are longer than a history may be: cut between two steps by continue-as-new. */
describe('a turn longer than a history', () => {
  let h: Harness;
  beforeEach(async () => {
    h = await Harness.start({
      tools: [noop],
      settings: { historyLimit: 20 },
      agent: { limits: { maxSteps: 1_000 } },
    });
  });
  afterEach(() => h.stop());

  it('P4 turn: → goes on in the next run; steps, usage, messages and the asker are all there', async () => {
    h.model.enqueue(...Array.from({ length: 9 }, () => step), 'the end', 'next');
    const session = await h.runtime.start();
    const asked = session.ask('long');
    await eventually(async () => (await session.status()).step > 2);
    await session.send('meanwhile');
    const answer = await asked;
    expect(answer).toMatchObject({ turn: 1, text: 'the end' });
    await eventually(async () => userTexts(await session.transcript()).length === 2);
    await eventually(async () => (await session.record())!.state === 'idle');
    const transcript = await session.transcript();
    expect(transcript.filter(({ message }) => message.role === 'tool')).toHaveLength(360);
    expect(userTexts(transcript)).toEqual(['long', 'meanwhile']);
    const { turns } = await session.timeline();
    expect(turns[0]!.steps).toHaveLength(10);
    const input = turns[0]!.steps.reduce((sum, { usage }) => sum + usage!.input, 0);
    expect(answer.usage.input).toBe(input);
    const runs = await runsOf(h, session.workflowId);
    expect(runs.length).toBeGreaterThan(1);
    h.model.assertDone();
  });

  it('F20 interrupt: in a turn that was carried over, and paused → ends it, the session stays paused', async () => {
    h.model.reply('long', step);
    const session = await h.runtime.start();
    const asked = session.ask('long').catch((error: { type: string }) => error.type);
    await eventually(async () => (await session.status()).step > 3);
    await session.pause();
    // Signals fill the history while the turn is held.
    const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
    while ((await session.status()).runs === 1) {
      await Promise.all(
        [1, 2, 3, 4, 5, 6, 7, 8].map(() => handle.signal(HANDLERS.message, 'more')),
      );
    }
    expect(await session.status()).toMatchObject({ state: 'paused', turn: 1 });
    // In one task with what makes the run continue as new once more.
    const [receipt] = await Promise.all([
      session.interrupt('enough'),
      ...Array.from({ length: 40 }, () => handle.signal(HANDLERS.message, 'more')),
    ]);
    expect(receipt).toEqual({ interrupted: true, turn: 1 });
    expect(await asked).toBe('Turn.Interrupted');
    expect(await session.status()).toMatchObject({ state: 'paused', turn: 1, step: 0 });
    const { queued } = await session.status();
    h.model.reply('more', 'ok');
    await session.resume();
    await eventually(async () => (await session.status()).queued === 0);
    await eventually(async () => (await session.status()).state === 'idle');
    expect(userTexts(await session.transcript())).toHaveLength(1 + queued);
  });

  it('F9 end: at any moment of turns that are carried over → the turn has an end, the session too', async () => {
    h.model.reply('long', step);
    for (const after of [2, 5, 6]) {
      const session = await h.runtime.start();
      const asked = session.ask('long').catch((error: { type: string }) => error.type);
      await eventually(async () => {
        const { turn, step: now, runs } = await session.status();
        // A run may be full before the turn has begun; then its message gets none.
        return turn > 0 && (now >= after || runs > 1);
      });
      await session.end();
      expect(await asked).toBe('Turn.Interrupted');
      await eventually(async () => (await session.record())!.state === 'terminated');
      expect((await session.timeline()).turns[0]!.outcome).toBe('interrupted');
    }
  });
});
