import { afterEach, describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import type { SeenRequest } from '../../../src/testing/scripted-model.js';
import { Harness, type HarnessOptions } from '../../support/harness.js';
import { eventually, userTexts } from '../../support/observe.js';

const OVERFLOW = {
  error: { status: 400, code: 'context_length_exceeded', message: 'maximum context length' },
} as const;
const SUMMARY = 'Write the summary';

const page = tool({
  name: 'page',
  description: 'A page of a book.',
  effect: 'read',
  run: 'local',
  execute: () => 'page '.repeat(320),
});

/** Characters of all that a request shows. */
const sizeOf = ({ system, messages }: SeenRequest) =>
  messages.reduce((sum, { text }) => sum + text.length, system.length);

describe('context', () => {
  let h: Harness;
  const start = async (options: HarnessOptions) => (h = await Harness.start(options));
  afterEach(() => h.stop());

  it('F16 context: the provider says that it overflows → compacted once, then answered', async () => {
    await start({});
    h.model.reply(SUMMARY, 'THE SUMMARY', { times: 1 });
    h.model.enqueue('a one', 'a two', OVERFLOW, 'a three');
    const session = await h.runtime.start();
    await session.ask(`one ${'x'.repeat(4_000)}`);
    await session.ask('two');
    expect((await session.ask('three')).text).toBe('a three');
    const last = h.model.requests.at(-1)!.messages;
    expect(last[0]!.text).toContain('THE SUMMARY');
    expect(last.at(-1)!.text).toBe('three');
    expect(last.some(({ text }) => text.includes('xxxx'))).toBe(false);
    // What was compacted stays in the store.
    expect(userTexts(await session.transcript())[0]).toHaveLength(4_004);
    const { turns } = await session.timeline();
    expect(turns[2]!.steps[0]!.compactions).toEqual([{ from: 1, to: expect.any(Number) }]);
    h.model.assertDone();
  });

  it('F16 context: overflows even compacted → Model.ContextOverflow, and the session lives', async () => {
    await start({});
    h.model.reply(SUMMARY, 'THE SUMMARY');
    h.model.enqueue('a one', OVERFLOW, OVERFLOW, 'a three');
    const session = await h.runtime.start();
    await session.ask('one');
    await expect(session.ask('two')).rejects.toMatchObject({ type: 'Model.ContextOverflow' });
    expect(h.model.requests.filter((r) => r.lastUserText.startsWith(SUMMARY))).toHaveLength(1);
    expect((await session.ask('three')).text).toBe('a three');
    h.model.assertDone();
  });

  it('F16 context: too much even for its summary → summarised in part', async () => {
    await start({});
    h.model.reply(SUMMARY, OVERFLOW, { times: 1 });
    h.model.reply(SUMMARY, 'THE SUMMARY', { times: 1 });
    h.model.enqueue('a one', OVERFLOW, 'a two');
    const session = await h.runtime.start();
    await session.ask('word '.repeat(10_000));
    expect((await session.ask('two')).text).toBe('a two');
    const [whole, part] = h.model.requests.filter((r) => r.lastUserText.startsWith(SUMMARY));
    expect(sizeOf(part!)).toBeLessThan(sizeOf(whole!) / 2);
  });

  it('F16 context: a small window fills up → old tool output is trimmed first, then summarised; nothing is lost', async () => {
    await start({ tools: [page], agent: { contextWindow: 4_000, maxTokens: 500 } });
    let summaries = 0;
    let trimmedBefore = false;
    h.model.reply(/^/, (request) => {
      const last = request.messages.at(-1)!;
      const trimmed = request.messages.some(({ text }) => text.includes('Old output of page'));
      // 3,500 tokens of room, four characters each; the estimate leaves a margin of its own.
      expect(sizeOf(request)).toBeLessThan(3_500 * 4);
      if (last.text.startsWith(SUMMARY)) return `SUMMARY ${++summaries}`;
      if (trimmed && summaries === 0) trimmedBefore = true;
      return last.role === 'tool' ? 'read' : { toolCalls: [{ name: 'page' }] };
    });
    const session = await h.runtime.start();
    const texts: string[] = [];
    while (summaries < 2 && texts.length < 60) {
      texts.push(`${texts.length} ${'please '.repeat(40)}`.trim());
      expect((await session.ask(texts.at(-1)!)).text).toBe('read');
    }
    expect(summaries).toBe(2);
    expect(trimmedBefore).toBe(true);
    const transcript = await session.transcript();
    expect(userTexts(transcript)).toEqual(texts);
    const outputs = transcript.flatMap(({ message }) =>
      message.role === 'tool' ? message.content : [],
    );
    expect(outputs).toHaveLength(texts.length);
    for (const part of outputs) expect(part).toMatchObject({ text: 'page '.repeat(320) });
    expect(h.model.requests.at(-1)!.messages[0]!.text).toContain('SUMMARY 2');
  });

  it('F16 context: a message larger than the window → Model.ContextOverflow, the next one works', async () => {
    await start({ agent: { contextWindow: 3_000, maxTokens: 500 } });
    h.model.reply(SUMMARY, 'THE SUMMARY');
    h.model.reply('after', 'fine');
    const session = await h.runtime.start();
    await expect(session.ask('word '.repeat(8_000))).rejects.toMatchObject({
      type: 'Model.ContextOverflow',
    });
    expect((await session.ask('after')).text).toBe('fine');
  });

  it.each([
    ['empty', { text: '  \n' }],
    ['refused', { text: 'I cannot do that.', refusal: true }],
    ['cut off', { text: 'The user wants', finish: 'length' }],
  ] as const)(
    'F16 context: the summary is %s → not taken, another attempt, every attempt billed',
    async (_, useless) => {
      await start({ agent: { model: 'gpt-4o' } });
      h.model.reply(SUMMARY, useless, { times: 1 });
      h.model.reply(SUMMARY, 'THE SUMMARY', { times: 1 });
      h.model.enqueue('a one', OVERFLOW, 'a two');
      const session = await h.runtime.start();
      await session.ask(`one ${'x'.repeat(4_000)}`);
      expect((await session.ask('two')).text).toBe('a two');
      expect(h.model.requests.at(-1)!.messages[0]!.text).toContain('THE SUMMARY');
      const [first, second] = h.model.requests.filter((r) => r.lastUserText.startsWith(SUMMARY));
      const words = (request: SeenRequest) =>
        Number(/at most (\d+) words/.exec(request.system)![1]);
      expect(words(second!)).toBeLessThan(words(first!));
      const { inputTokens: input, outputTokens: output, costMicros } = (await session.record())!;
      // The store hears first of the end of a turn.
      await eventually(async () => (await session.status()).state === 'idle');
      expect((await session.status()).usage).toMatchObject({ input, output, costMicros });
      h.model.assertDone();
    },
  );

  it('F16 context: no attempt gives a summary → Model.NoSummary, the memory is kept', async () => {
    await start({ agent: { model: 'gpt-4o' } });
    h.model.reply(SUMMARY, { text: '' }, { times: 3 });
    h.model.enqueue('a one', OVERFLOW, 'a three');
    const session = await h.runtime.start();
    await session.ask('one, which is to be remembered');
    await expect(session.ask('two')).rejects.toMatchObject({ type: 'Model.NoSummary' });
    const transcript = await session.transcript();
    expect(transcript.some(({ message }) => message.role === 'summary')).toBe(false);
    expect((await session.ask('three')).text).toBe('a three');
    const shown = h.model.requests.at(-1)!.messages.map(({ text }) => text);
    expect(shown[0]).toBe('one, which is to be remembered');
    h.model.assertDone();
  });

  it('F16 context: a summary without a report of its usage → billed by estimate', async () => {
    await start({ agent: { model: 'gpt-4o' } });
    h.model.reply(SUMMARY, { text: 'THE SUMMARY '.repeat(40), usage: null });
    h.model.enqueue({ text: 'a one', usage: {} }, OVERFLOW, { text: 'a two', usage: {} });
    const session = await h.runtime.start();
    await session.ask('one');
    await session.ask('two');
    // Nothing else has a cost here.
    expect((await session.record())!.costMicros).toBeGreaterThan(500);
  });
});
