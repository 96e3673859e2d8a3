import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tool } from '../../../src/contracts/define-tool.js';
import type { Session } from '../../../src/client/session.js';
import { Harness } from '../../support/harness.js';
import { eventually, saidTexts } from '../../support/observe.js';

/** Tools that hold until they are told to stop, or until the test lets them go. */
const held: { aborted: number; started: number; release: () => void } = {
  aborted: 0,
  started: 0,
  release: () => undefined,
};
const hold = (name: string, run: 'local' | 'activity', deaf = false) =>
  tool({
    name,
    description: 'Holds.',
    parameters: z.object({}),
    effect: 'idempotent',
    run,
    timeoutMs: 30_000,
    execute: (_, { signal }) => {
      held.started += 1;
      return new Promise<string>((resolve, reject) => {
        held.release = () => resolve('LATE RESULT');
        signal.addEventListener('abort', () => {
          held.aborted += 1;
          if (!deaf) reject(signal.reason as Error);
        });
      });
    },
  });

describe('interrupt', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({
      tools: [
        hold('hold_local', 'local'),
        hold('hold', 'activity'),
        hold('deaf', 'activity', true),
      ],
      settings: { heartbeatTimeoutMs: 1_000 },
    });
  });
  afterAll(() => h.stop());

  const works = async (session: Session) => {
    h.model.enqueue('next answer');
    expect((await session.ask('next')).text).toBe('next answer');
    h.model.assertDone();
  };
  const seen = (session: Session, type: string) =>
    eventually(async () => {
      for await (const item of session.events({ live: false })) if (item.type === type) return item;
      return undefined;
    });

  it('F20 interrupt: in the middle of a stream → the connection is closed within a second, partial text and cost are kept, the next message works', async () => {
    h.model.enqueue({ text: 'word '.repeat(500), chunkSize: 5, chunkDelayMs: 20 });
    const session = await h.runtime.start();
    const asked = session.ask('talk').catch((error: { type: string }) => error.type);
    let heard = '';
    for await (const item of session.events()) {
      if (item.type === 'delta') heard += item.text;
      if (heard.length > 40) break;
    }
    const at = Date.now();
    const receipt = await session.interrupt('enough');
    expect(receipt).toEqual({ interrupted: true, turn: 1 });
    await h.model.until(({ closedEarly }) => closedEarly.length > 0);
    expect(h.model.closedEarly[0]!.at - at).toBeLessThan(1_000);
    expect(await asked).toBe('Turn.Interrupted');
    const [, said] = await session.transcript();
    expect(said!.message).toMatchObject({ role: 'assistant', finish: 'interrupted' });
    const text = said!.message.role === 'assistant' ? said!.message.text : '';
    expect(text.startsWith(heard)).toBe(true);
    expect(text.length).toBeLessThan(1_500);
    expect(said!.usage!.estimated).toBe(true);
    expect(said!.usage!.output).toBeGreaterThan(heard.length / 5);
    const [attempt] = (await session.timeline()).turns[0]!.steps[0]!.attempts;
    expect(attempt).toMatchObject({ outcome: 'interrupted', outputTokens: said!.usage!.output });
    expect(await seen(session, 'turn.interrupted')).toMatchObject({ turn: 1, reason: 'enough' });
    await works(session);
    // The model is told what it had said.
    expect(h.model.requests.at(-1)!.messages[1]!.text).toBe(text);
  });

  it.each(['hold', 'hold_local'])(
    'F20 interrupt: while the tool `%s` runs → the tool is told, the turn ends, the next message works',
    async (name) => {
      h.model.enqueue({ toolCalls: [{ name }] });
      const session = await h.runtime.start();
      const { aborted, started } = held;
      const asked = session.ask('hold').catch((error: { type: string }) => error.type);
      await eventually(() => held.started > started);
      expect(await session.interrupt()).toMatchObject({ interrupted: true });
      expect(await asked).toBe('Turn.Interrupted');
      expect(held.aborted).toBe(aborted + 1);
      const results = (await session.transcript()).filter(({ message }) => message.role === 'tool');
      expect(results).toHaveLength(1);
      expect(results[0]!.message).toMatchObject({ failure: { type: 'Tool.Interrupted' } });
      await works(session);
    },
  );

  it('F20 interrupt: a tool that does not listen → the turn ends all the same, its late result is dropped', async () => {
    h.model.enqueue({ toolCalls: [{ name: 'deaf' }] });
    const session = await h.runtime.start();
    const { started } = held;
    const asked = session.ask('hold').catch((error: { type: string }) => error.type);
    await eventually(() => held.started > started);
    await session.interrupt();
    expect(await asked).toBe('Turn.Interrupted');
    held.release();
    await works(session);
    expect(JSON.stringify(await session.transcript())).not.toContain('LATE RESULT');
    expect(JSON.stringify(h.model.requests.at(-1)!.messages)).not.toContain('LATE RESULT');
  });

  it('F20 interrupt: while the model is waited for between two attempts → the turn ends, no further attempt', async () => {
    h.model.enqueue({ error: { status: 429, retryAfter: 30 } });
    const session = await h.runtime.start();
    const asked = session.ask('x').catch((error: { type: string }) => error.type);
    await seen(session, 'step.failed');
    const at = Date.now();
    expect(await session.interrupt()).toMatchObject({ interrupted: true });
    expect(Date.now() - at).toBeLessThan(10_000);
    expect(await asked).toBe('Turn.Interrupted');
    await works(session);
  });

  it('F20 interrupt: before the first word → the turn ends, the message stays', async () => {
    h.model.enqueue({ hang: true });
    const session = await h.runtime.start();
    const requests = h.model.requests.length;
    const asked = session.ask('silence').catch((error: { type: string }) => error.type);
    await h.model.until((model) => model.requests.length > requests);
    await session.interrupt();
    expect(await asked).toBe('Turn.Interrupted');
    await works(session);
    expect(h.model.requests.at(-1)!.messages[0]!.text).toBe('silence');
  });

  it('F20 interrupt: while paused in the middle of a turn → the turn ends, the session stays paused', async () => {
    h.model.enqueue({ toolCalls: [{ name: 'deaf' }] });
    const session = await h.runtime.start();
    const { started } = held;
    const asked = session.ask('hold').catch((error: { type: string }) => error.type);
    await eventually(() => held.started > started);
    await session.pause();
    held.release();
    await seen(session, 'tool.completed');
    expect(await session.interrupt()).toMatchObject({ interrupted: true });
    expect(await asked).toBe('Turn.Interrupted');
    expect(await session.status()).toMatchObject({ state: 'paused', step: 0 });
    expect((await session.record())!.state).toBe('paused');
    await session.resume();
    await works(session);
  });

  it('F20 interrupt: nothing to interrupt → says so', async () => {
    h.model.enqueue('hello');
    const session = await h.runtime.start();
    await session.ask('x');
    await eventually(async () => (await session.status()).state === 'idle');
    expect(await session.interrupt()).toEqual({ interrupted: false, turn: 1 });
  });

  it('F20 interrupt: again and again at any moment → every message is kept, each turn ends once', async () => {
    h.model.reply('round', { text: 'word '.repeat(30), chunkSize: 10, chunkDelayMs: 3 });
    const session = await h.runtime.start();
    for (let i = 0; i < 12; i++) {
      const asked = session.ask(`round ${i}`).catch((error: { type: string }) => error.type);
      // Not a wait for something: a different moment of the turn each time.
      await new Promise((resolve) => setTimeout(resolve, i * 9));
      const { interrupted } = await session.interrupt();
      const how = await asked;
      if (!interrupted) expect(how).toMatchObject({ finish: 'stop' });
    }
    const { turns } = await session.timeline();
    expect(turns).toHaveLength(12);
    expect(turns.every(({ outcome }) => outcome === 'completed' || outcome === 'interrupted')).toBe(
      true,
    );
    await works(session);
    expect(saidTexts(await session.transcript()).at(-1)).toBe('next answer');
  });
});
