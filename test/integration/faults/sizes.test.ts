import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import { HANDLERS } from '../../../src/contracts/session.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { Harness } from '../../support/harness.js';
import { eventually, runsOf, userTexts } from '../../support/observe.js';

const MB = 1_000_000;
const line = (n: number) => `line ${String(n).padStart(7, '0')} of a long output\n`;
const long = Array.from({ length: Math.ceil((3 * MB) / line(0).length) }, (_, i) => line(i)).join(
  '',
);

describe('sizes', () => {
  let h: Harness;
  let stored = 0;
  const longOutput = tool({
    name: 'long_output',
    description: 'Says a lot.',
    effect: 'read',
    run: 'local',
    execute: () => long,
  });
  const store = tool({
    name: 'store',
    description: 'Stores a text.',
    parameters: z.object({ text: z.string() }),
    effect: 'idempotent',
    execute: ({ text }) => {
      stored = text.length;
      return 'stored';
    },
  });
  beforeAll(async () => {
    // Room for all of these messages, and not for the arguments.
    h = await Harness.start({
      tools: [longOutput, store],
      agent: { contextWindow: 300_000 },
      // Arguments of 3 MB are 150,000 pieces of a stream, said and heard in this process: on a busy
      // machine no heartbeat leaves it within the 2 s of other tests.
      settings: { heartbeatTimeoutMs: 30_000 },
    });
  });
  afterAll(() => h.stop());

  it('F19 tool output: of 3 MB → an artifact with a marker, and the model pages it', async () => {
    let artifact = '';
    h.model.enqueue({ toolCalls: [{ name: 'long_output' }] }, (request) => {
      const shown = request.messages.at(-1)!.text;
      expect(Buffer.byteLength(shown)).toBeLessThanOrEqual(16 * 1024);
      expect(shown.startsWith(line(0)) && shown.endsWith(long.slice(-1_000))).toBe(true);
      artifact = /artifact (art_[0-9a-f]+)/.exec(shown)![1]!;
      const offset = line(0).length * 50_000;
      return {
        toolCalls: [{ name: 'read_artifact', arguments: { artifact, offset, length: 200 } }],
      };
    });
    h.model.enqueue('read');
    const session = await h.runtime.start();
    await session.ask('say a lot');
    expect(h.model.requests.at(-1)!.messages.at(-1)!.text).toContain(line(50_000));
    const [run] = await runsOf(h, session.workflowId);
    expect(run!.events).toBeLessThan(60);
    const [kept] = (await session.transcript()).filter(({ message }) => message.role === 'tool');
    expect(kept!.message).toMatchObject({ artifact });
  });

  it('F19 message: of 3 MB → refused by send, ask and start, before anything is accepted', async () => {
    const session = await h.runtime.start();
    const text = 'x'.repeat(3 * MB);
    for (const call of [
      () => session.send(text),
      () => session.ask(text),
      () => h.runtime.start({ message: text }),
    ]) {
      await expect(call()).rejects.toMatchObject({ type: 'Message.TooLarge' });
    }
    h.model.enqueue('fine');
    await session.ask('small');
    expect(userTexts(await session.transcript())).toEqual(['small']);
  });

  it('F19 message: above the limit of the agent → refused with the numbers', async () => {
    const session = await h.runtime.start();
    const text = 'ü'.repeat(150_000);
    await expect(session.send(text)).rejects.toThrow(/300000 bytes; this agent takes up to 262144/);
    await expect(h.runtime.start({ message: text })).rejects.toMatchObject({
      type: 'Message.TooLarge',
    });
  });

  it('F19 message: refused as the first of a session without a name → no session is left open', async () => {
    const all = () => h.runtime.sessions({ limit: 1000 });
    const before = new Set((await all()).map(({ session }) => session));
    await expect(
      h.runtime.start({ message: 'x'.repeat(h.agent().limits.maxMessageBytes + 1) }),
    ).rejects.toMatchObject({ type: 'Message.TooLarge' });
    await eventually(async () => {
      const made = (await all()).filter(({ session }) => !before.has(session));
      return made.length === 1 && made[0]!.state === 'terminated';
    });
  });

  it('F19 message: too large, by signal → refused, the session goes on', async () => {
    const session = await h.runtime.start();
    const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
    await handle.signal(HANDLERS.message, 'x'.repeat(300_000));
    // A server with limits refuses this one itself, one without leaves it to the workflow.
    await handle.signal(HANDLERS.message, 'x'.repeat(3 * MB)).catch(() => undefined);
    h.model.enqueue('fine');
    await session.ask('small');
    expect(userTexts(await session.transcript())).toEqual(['small']);
  });

  it(
    'F19 update: of 3 MB by a plain client → refused, the session goes on',
    { timeout: 120_000 },
    async () => {
      const session = await h.runtime.start();
      const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
      const text = 'x'.repeat(3 * MB);
      for (const [name, argument] of [
        [HANDLERS.send, text],
        [HANDLERS.interrupt, { reason: text }],
      ] as const) {
        const told = await handle.executeUpdate(name, { args: [argument] }).then(
          () => 'accepted',
          ({ cause, message }: Error) => {
            const { type, details } = (cause ?? {}) as { type?: string; details?: string };
            return type ?? details ?? message;
          },
        );
        // A server with limits takes the update, but not its refusal, which has the update in it: after
        // 20 s the sender hears so.
        expect(told).toMatch(/^Message.TooLarge$|^Unable to perform workflow execution update/);
      }
      h.model.enqueue('fine');
      await session.ask('small');
      expect(userTexts(await session.transcript())).toEqual(['small']);
      await replayHistory(await handle.fetchHistory());
    },
  );

  it('F19 message: small in bytes, large as JSON → many of them wait and are taken, no payload grows too large', async () => {
    const session = await h.runtime.start();
    // One byte of UTF-8, six of JSON.
    const text = '\u0001'.repeat(200_000);
    h.model.reply((request) => request.messages.some((m) => m.text.startsWith('\u0001')), 'fine');
    await session.pause();
    for (let i = 0; i < 4; i++) await session.send(text);
    await session.resume();
    await session.ask('small');
    expect(userTexts(await session.transcript())).toEqual([text, text, text, text, 'small']);
  });

  it('F19 tool arguments: of 3 MB → the tool gets them, the next call of the model does not', async () => {
    const text = 'y'.repeat(3 * MB);
    h.model.enqueue({ toolCalls: [{ name: 'store', arguments: { text } }] }, (request) => {
      expect(request.messages.at(-1)!.text).toBe('stored');
      expect(request.messages.at(-2)!.calls[0]!.arguments).toMatch(/left_out.*characters/);
      return 'done';
    });
    const session = await h.runtime.start();
    expect((await session.ask('store')).text).toBe('done');
    expect(stored).toBe(3 * MB);
    const made = (await session.transcript())[1]!.message;
    expect(made.role === 'assistant' && made.toolCalls![0]!.arguments.length).toBeGreaterThan(
      3 * MB,
    );
    h.model.enqueue('next');
    expect((await session.ask('again')).text).toBe('next');
  });
});
