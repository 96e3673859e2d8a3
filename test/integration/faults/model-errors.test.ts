import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScriptedError } from '../../../src/testing/scripted-model.js';
import { Harness } from '../../support/harness.js';
import { eventually, Reader, saidTexts } from '../../support/observe.js';

describe('model', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({ stallTimeoutMs: 700 });
  });
  afterAll(() => h.stop());

  const fails = (error: ScriptedError) => h.model.enqueue({ error });
  /** Time between the last two requests, ms. */
  const waited = () => h.model.requests.at(-1)!.at - h.model.requests.at(-2)!.at;

  it('F13 model: 429 with Retry-After in seconds → delay obeyed, one answer', async () => {
    fails({ status: 429, retryAfter: 2 }).enqueue('done');
    const session = await h.runtime.start();
    expect((await session.ask('x')).text).toBe('done');
    expect(waited()).toBeGreaterThanOrEqual(1_950);
    expect(waited()).toBeLessThan(4_000);
    expect(saidTexts(await session.transcript())).toEqual(['done']);
  });

  it('F13 model: 429 with Retry-After as a date → delay obeyed', async () => {
    // Dates have whole seconds: of these 3 s between 2 and 3 are left.
    h.model.enqueue(() => ({
      error: { status: 429, retryAfter: new Date(Date.now() + 3_000) },
    }));
    h.model.enqueue('done');
    const session = await h.runtime.start();
    expect((await session.ask('x')).text).toBe('done');
    expect(waited()).toBeGreaterThanOrEqual(1_900);
  });

  it('F13 model: 500 three times → goes on by itself, every attempt recorded', async () => {
    for (let i = 0; i < 3; i++) fails({ status: 500 });
    h.model.enqueue('done');
    const session = await h.runtime.start();
    expect((await session.ask('x')).text).toBe('done');
    const { turns } = await session.timeline();
    expect(turns[0]!.steps[0]!.attempts.map(({ outcome }) => outcome)).toEqual([
      'failed',
      'failed',
      'failed',
      'completed',
    ]);
    expect(turns[0]!.steps[0]!.attempts[0]!.failure?.type).toBe('Model.Unavailable');
  });

  it('F13 model: 500 without end → a bounded number of attempts, then the turn fails', async () => {
    const few = await Harness.start({ settings: { maxModelAttempts: 3 } });
    few.model.reply('x', { error: { status: 503 } });
    few.model.reply('y', 'better');
    const session = await few.runtime.start();
    await expect(session.ask('x')).rejects.toMatchObject({ type: 'Model.Unavailable' });
    expect(few.model.requests).toHaveLength(3);
    expect((await session.ask('y')).text).toBe('better');
    await few.stop();
  });

  it.each([
    [400, 'Model.BadRequest'],
    [401, 'Model.Unauthorized'],
    [403, 'Model.Unauthorized'],
  ])(
    'F13 model: %i → asked once, fails with the reason, the next message works',
    async (status, type) => {
      fails({ status, message: 'because of the test' });
      const before = h.model.requests.length;
      const session = await h.runtime.start();
      const asked = session.ask('x');
      await expect(asked).rejects.toMatchObject({ type });
      await expect(asked).rejects.toThrow(/because of the test/);
      expect(h.model.requests.length - before).toBe(1);
      const now = await eventually(async () => {
        const seen = await session.status();
        return seen.state !== 'running' && seen;
      });
      expect(now).toMatchObject({ state: 'error', failure: { type } });
      expect(await session.record()).toMatchObject({ state: 'error', failure: { type } });
      h.model.enqueue('better');
      expect((await session.ask('y')).text).toBe('better');
      await eventually(async () => (await session.status()).state === 'idle');
      expect((await session.status()).failure).toBeUndefined();
      expect((await session.record())!.failure).toBeUndefined();
      // The message of the failed turn is still part of the conversation.
      expect(h.model.requests.at(-1)!.messages.map(({ text }) => text)).toEqual(['x', 'y']);
    },
  );

  it('F13 model: a reason with half a character → the report arrives all the same', async () => {
    // A text that is cut at a length may end in half of a pair, which is no UTF-8.
    fails({ status: 400, message: `${'x'.repeat(399)}😀 and more` });
    fails({ status: 400, message: 'lone \ud83d here' });
    const session = await h.runtime.start();
    await expect(session.ask('x')).rejects.toMatchObject({ type: 'Model.BadRequest' });
    await expect(session.ask('y')).rejects.toMatchObject({ type: 'Model.BadRequest' });
  });

  it('F14 model: silent before its first word → Model.Stalled, tried again, one answer', async () => {
    h.model.enqueue({ hang: true }, 'done');
    const session = await h.runtime.start();
    expect((await session.ask('x')).text).toBe('done');
    const [attempt] = (await session.timeline()).turns[0]!.steps[0]!.attempts;
    expect(attempt).toMatchObject({ outcome: 'failed', failure: { type: 'Model.Stalled' } });
  });

  it.each([
    ['the connection is lost', { cutAfter: 6 }],
    ['the stream just ends', { cutAfter: 6, cutBy: 'end' }],
    ['nothing more comes', { hang: 6 }],
  ] as const)(
    'F14 stream: cut in the middle (%s) → final text once, the reader is told what is superseded',
    async (_, cut) => {
      const text = 'one two three four five six seven eight nine ten';
      h.model.enqueue({ text, chunkSize: 4, chunkDelayMs: 30, ...cut });
      h.model.enqueue({ text, chunkSize: 4, chunkDelayMs: 5 });
      const session = await h.runtime.start();
      const reader = new Reader();
      const reading = reader.until(session, 'turn.completed');
      await session.send('x');
      await reading;
      expect(reader.items.filter(({ type }) => type === 'superseded')).toMatchObject([
        { turn: 1, step: 1, attempt: 1, by: 2 },
      ]);
      expect(reader.shown.get('1.1')).toBe(text);
      // The last words may still be on their way when the store has them all.
      expect(text.startsWith(reader.heard.get('1.1')!)).toBe(true);
      const transcript = await session.transcript();
      expect(saidTexts(transcript)).toEqual([text]);
      const [first, second] = (await session.timeline()).turns[0]!.steps[0]!.attempts;
      // What the cut attempt said was paid.
      expect(first).toMatchObject({ outcome: 'failed', estimated: true });
      expect(first!.outputTokens).toBeGreaterThan(0);
      expect(second).toMatchObject({ outcome: 'completed', estimated: false });
      const record = await session.record();
      expect(record!.outputTokens).toBe(first!.outputTokens + second!.outputTokens);
    },
  );
});
