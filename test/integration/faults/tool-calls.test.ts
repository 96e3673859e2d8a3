import { z } from 'zod';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import { PerduraError } from '../../../src/contracts/failures.js';
import type { StoredMessage } from '../../../src/contracts/message.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';

const add = tool({
  name: 'add',
  description: 'Adds two numbers.',
  parameters: z.object({ a: z.number(), b: z.number() }),
  effect: 'read',
  run: 'local',
  execute: ({ a, b }) => a + b,
});

const away = (run: 'local' | 'activity') =>
  tool({
    name: `away_${run}`,
    description: 'Needs a database that is away.',
    effect: 'read',
    run,
    retry: { maximumAttempts: 2, initialIntervalMs: 10 },
    execute: () => {
      throw new PerduraError('Store.Unavailable', 'The database is away.');
    },
  });

const odd = tool({
  name: 'odd',
  description: 'Says what no database takes.',
  effect: 'read',
  execute: () => 'NUL \u0000 half \ud83d pair 😀 slash \\u0000',
});

const toolFailures = (transcript: readonly StoredMessage[]) =>
  transcript.flatMap(({ message }) =>
    message.role === 'tool' ? [message.failure?.type ?? 'fine'] : [],
  );

describe('tool calls', () => {
  let h: Harness;
  let tight: Harness;
  beforeAll(async () => {
    h = await Harness.start({ tools: [add, away('local'), away('activity'), odd] });
    tight = await Harness.start({
      tools: [add],
      agent: { model: 'gpt-4o', limits: { maxSteps: 4, maxTurnMs: 1_500, maxTurnCostUsd: 0.01 } },
    });
  });
  afterAll(() => Promise.all([h.stop(), tight.stop()]));

  const calls = (name: string, args: string | object) => ({
    toolCalls: [{ name, arguments: args }],
  });

  it('F15 tool call: malformed JSON, unknown tool, wrong arguments → the model is told, and mends it', async () => {
    h.model.enqueue(
      calls('add', '{"a": 1, "b":'),
      calls('ad', { a: 1, b: 2 }),
      calls('add', { a: 'one', b: 2 }),
      calls('add', { a: 1, b: 2 }),
      'It is 3.',
    );
    const session = await h.runtime.start();
    expect((await session.ask('add')).text).toBe('It is 3.');
    expect(toolFailures(await session.transcript())).toEqual([
      'Tool.InvalidArguments',
      'Tool.Unknown',
      'Tool.InvalidArguments',
      'fine',
    ]);
    const told = h.model.requests.at(-1)!.messages.filter(({ role }) => role === 'tool');
    expect(told[1]!.text).toContain('add');
    expect(told[3]!.text).toBe('3');
  });

  it('F15 tool call: wrong again and again → Turn.RepairsExhausted, the next message works', async () => {
    h.model.enqueue(...Array.from({ length: 4 }, () => calls('nothing', {})));
    const session = await h.runtime.start();
    await expect(session.ask('add')).rejects.toMatchObject({ type: 'Turn.RepairsExhausted' });
    expect(await session.record()).toMatchObject({
      state: 'error',
      failure: { type: 'Turn.RepairsExhausted' },
    });
    expect(toolFailures(await session.transcript())).toHaveLength(4);
    h.model.enqueue('fine');
    expect((await session.ask('again')).text).toBe('fine');
    h.model.assertDone();
  });

  it('F15 tool call: wrong calls beside a right one → no repair is counted', async () => {
    const both = {
      toolCalls: [
        { name: 'nothing', arguments: {} },
        { name: 'add', arguments: { a: 1, b: 2 } },
      ],
    };
    h.model.enqueue(...Array.from({ length: 6 }, () => both), 'done');
    const session = await h.runtime.start();
    expect((await session.ask('add')).text).toBe('done');
  });

  it.each(['away_local', 'away_activity'])(
    'F25 tool call: `%s` fails at every attempt for its infrastructure → the model is told, the session lives',
    async (name) => {
      h.model.enqueue(calls(name, {}), 'I was told.');
      const session = await h.runtime.start();
      expect((await session.ask('try')).text).toBe('I was told.');
      expect(toolFailures(await session.transcript())).toEqual(['Store.Unavailable']);
    },
  );

  it('tool output: NUL and halves of pairs, from a tool and from the model → kept as U+FFFD', async () => {
    const clean = 'NUL \ufffd half \ufffd pair 😀 slash \\u0000';
    h.model.enqueue(calls('odd', '{"why":"\u0000 \ud83d"}'), 'NUL \u0000 half \ud83d!');
    const session = await h.runtime.start();
    expect((await session.ask('odd')).text).toBe('NUL \ufffd half \ufffd!');
    const shown = h.model.requests.at(-1)!.messages.at(-1)!.text;
    expect(shown).toBe(clean);
    const [result] = (await session.transcript()).filter(({ message }) => message.role === 'tool');
    expect(result!.message).toMatchObject({ content: [{ type: 'text', text: clean }] });
    h.model.enqueue('next');
    expect((await session.ask('again')).text).toBe('next');
    const all = h.model.requests
      .at(-1)!
      .messages.flatMap((m) => [m.text, ...m.calls.map((call) => call.arguments)]);
    expect(all.join('')).not.toMatch(/\u0000|\p{Surrogate}/u);
  });

  it('F17 endless tool loop: → stopped by maxSteps, the next message works', async () => {
    tight.model.reply('steps', calls('add', { a: 1, b: 2 }), { times: 4 });
    const session = await tight.runtime.start();
    await expect(session.ask('steps')).rejects.toMatchObject({ type: 'Turn.StepLimit' });
    expect(tight.model.requests.filter((r) => r.lastUserText === 'steps')).toHaveLength(4);
    tight.model.enqueue('fine');
    expect((await session.ask('again')).text).toBe('fine');
  });

  it('F17 endless tool loop: → stopped by maxTurnMs', async () => {
    tight.model.reply('slow', { ...calls('add', { a: 1, b: 2 }), firstDelayMs: 800 });
    const session = await tight.runtime.start();
    await expect(session.ask('slow')).rejects.toMatchObject({ type: 'Turn.TimeLimit' });
    expect(tight.model.requests.filter((r) => r.lastUserText === 'slow').length).toBeLessThan(4);
  });

  it('F17 endless tool loop: → stopped by maxTurnCostUsd, and the cost is told', async () => {
    // gpt-4o: 2.50 USD per million input tokens.
    const usage = { input: 3_000, output: 10 };
    tight.model.reply('dear', { ...calls('add', { a: 1, b: 2 }), usage });
    const session = await tight.runtime.start();
    await expect(session.ask('dear')).rejects.toMatchObject({ type: 'Turn.CostLimit' });
    expect(tight.model.requests.filter((r) => r.lastUserText === 'dear')).toHaveLength(2);
    const record = await eventually(() => session.record());
    expect(record.costMicros).toBeGreaterThan(10_000);
  });

  it('turn: of several steps → its usage is that of all of them', async () => {
    const usage = { input: 100, output: 10 };
    h.model.enqueue({ ...calls('add', { a: 1, b: 2 }), usage }, { text: 'done', usage });
    const session = await h.runtime.start();
    const answer = await session.ask('add');
    expect(answer.usage).toMatchObject({ input: 200, output: 20 });
    await eventually(async () => (await session.status()).usage.input === 200);
  });
});
