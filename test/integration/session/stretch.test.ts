/** Several steps in one activity: as a turn of single steps, whatever happens in the middle. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tool } from '../../../src/contracts/define-tool.js';
import type { Session } from '../../../src/client/session.js';
import type { ScriptedResponse } from '../../../src/testing/scripted-model.js';
import { Harness } from '../../support/harness.js';
import { eventually, Reader, historiesOf, saidTexts, userTexts } from '../../support/observe.js';

let noted: string[] = [];
let hold: Promise<void> | undefined;

/** A local tool with an effect that the test can count, and hold. */
const note = tool({
  name: 'note',
  description: 'Notes a word.',
  parameters: z.object({ word: z.string() }),
  effect: 'idempotent',
  run: 'local',
  execute: async ({ word }) => {
    noted.push(word);
    await hold;
    return `noted ${word}`;
  },
});
const add = tool({
  name: 'add',
  description: 'Adds two numbers.',
  parameters: z.object({ a: z.number(), b: z.number() }),
  effect: 'read',
  run: 'local',
  execute: ({ a, b }) => a + b,
});
const far = tool({
  name: 'far',
  description: 'Runs in an activity of its own.',
  parameters: z.object({}),
  effect: 'read',
  execute: () => 'from afar',
});

const noting = (word: string): ScriptedResponse => ({
  text: `I note ${word}.`,
  toolCalls: [{ name: 'note', arguments: { word } }],
});
const adding: ScriptedResponse = { toolCalls: [{ name: 'add', arguments: { a: 1, b: 2 } }] };
const malformed: ScriptedResponse = { toolCalls: [{ name: 'add', arguments: { a: 'one' } }] };

describe('several steps in one activity', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({
      tools: [note, add, far],
      agent: { limits: { maxSteps: 5, stepsPerActivity: 4, maxRepairs: 2 } },
    });
  });
  afterAll(() => h.stop());
  beforeEach(() => {
    noted = [];
    hold = undefined;
  });

  const activities = async (of: Harness, session: Session): Promise<number> => {
    const events = (await historiesOf(of, session.workflowId)).flat();
    const types = events.map(
      (event) => event.activityTaskScheduledEventAttributes?.activityType?.name,
    );
    return types.filter((type) => type === 'callModel' || type === 'callTool').length;
  };
  const steps = async (session: Session) =>
    (await session.timeline()).turns.map((turn) =>
      turn.steps.map(({ step, attempts }) => [step, attempts.length]),
    );

  it('local tools alone → one activity; each step is in the stream, the timeline and the transcript', async () => {
    h.model.enqueue(noting('a'), adding, noting('b'), 'done');
    const session = await h.runtime.start();
    expect(await session.ask('go')).toMatchObject({ text: 'done' });
    expect(await activities(h, session)).toBe(1);
    expect(await steps(session)).toEqual([
      [
        [1, 1],
        [2, 1],
        [3, 1],
        [4, 1],
      ],
    ]);
    const roles = (await session.transcript()).map(({ seq, message }) => `${seq} ${message.role}`);
    expect(roles).toEqual(
      ['user', 'assistant', 'tool', 'assistant', 'tool', 'assistant', 'tool', 'assistant'].map(
        (role, i) => `${i + 1} ${role}`,
      ),
    );
    const reader = await new Reader().until(session, 'turn.completed');
    expect(reader.types().filter((type) => type === 'step.started')).toHaveLength(4);
    expect(await session.status()).toMatchObject({ state: 'idle', step: 0, head: 8 });
  });

  it('a tool with an activity of its own → ends the row, the next one begins another', async () => {
    h.model.enqueue(adding, { toolCalls: [{ name: 'far' }] }, adding, 'done');
    const session = await h.runtime.start();
    expect(await session.ask('go')).toMatchObject({ text: 'done' });
    expect(await activities(h, session)).toBe(3);
    expect(h.model.requests.at(-1)!.messages.map(({ text }) => text)).toEqual([
      'go',
      '',
      '3',
      '',
      'from afar',
      '',
      '3',
    ]);
  });

  it('`stepsPerActivity: 1` → an activity for each step', async () => {
    const single = await Harness.start({
      tools: [add],
      agent: { limits: { stepsPerActivity: 1 } },
    });
    try {
      single.model.enqueue(adding, adding, 'done');
      const session = await single.runtime.start();
      await session.ask('go');
      expect(await activities(single, session)).toBe(3);
    } finally {
      await single.stop();
    }
  });

  it('maxSteps: reached within a row → the turn fails there, what was done is kept', async () => {
    h.model.enqueue(...['a', 'b', 'c', 'd', 'e'].map(noting));
    const session = await h.runtime.start();
    const before = h.model.requests.length;
    await expect(session.ask('go')).rejects.toMatchObject({ type: 'Turn.StepLimit' });
    expect(h.model.requests.length - before).toBe(5);
    expect(noted).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(saidTexts(await session.transcript())).toHaveLength(5);
  });

  it('maxTurnCostUsd: passed within a row → no step is begun after it', async () => {
    const poor = await Harness.start({
      tools: [add],
      agent: { model: 'gpt-5', limits: { maxTurnCostUsd: 0.015 } },
    });
    try {
      // gpt-5: 10 USD a million tokens of output.
      const usage = { input: 1, output: 1_000 };
      poor.model.enqueue({ ...adding, usage }, { ...adding, usage });
      const session = await poor.runtime.start();
      await expect(session.ask('go')).rejects.toMatchObject({ type: 'Turn.CostLimit' });
      expect(poor.model.requests).toHaveLength(2);
      expect(await activities(poor, session)).toBe(1);
    } finally {
      await poor.stop();
    }
  });

  it('steps in which every call is wrong → counted as before', async () => {
    h.model.enqueue(adding, malformed, malformed, malformed);
    const session = await h.runtime.start();
    await expect(session.ask('go')).rejects.toMatchObject({ type: 'Turn.RepairsExhausted' });
    h.model.enqueue(malformed, adding, malformed, malformed, 'at last');
    expect(await session.ask('again')).toMatchObject({ text: 'at last' });
  });

  it('pause: while a tool of the row runs → no further step, and resume goes on', async () => {
    let release: () => void = () => undefined;
    hold = new Promise((resolve) => (release = resolve));
    h.model.enqueue(noting('a'), 'done');
    const session = await h.runtime.start();
    const asked = session.ask('go');
    await eventually(() => noted.length === 1);
    const before = h.model.requests.length;
    await session.pause();
    await eventually(async () => (await session.record())!.state === 'paused');
    release();
    await eventually(async () => (await session.transcript()).length === 3);
    await eventually(async () => (await session.status()).head === 3);
    expect(await session.status()).toMatchObject({ state: 'paused', step: 1 });
    expect(h.model.requests.length).toBe(before);
    await session.resume();
    expect(await asked).toMatchObject({ text: 'done' });
  });

  it('F20 interrupt: during a later answer of the row → the connection is closed, the rest is kept', async () => {
    h.model.enqueue(noting('a'), { text: 'A long story. '.repeat(50), chunkDelayMs: 100 });
    const session = await h.runtime.start();
    const asked = session.ask('go').catch((error: { type: string }) => error.type);
    const reader = new Reader();
    await reader.until(session, 'delta', (item) => item.type === 'delta' && item.step === 2);
    const closed = h.model.closedEarly.length;
    expect(await session.interrupt('enough')).toMatchObject({ interrupted: true });
    await h.model.until(({ closedEarly }) => closedEarly.length === closed + 1);
    expect(await asked).toBe('Turn.Interrupted');
    const said = saidTexts(await session.transcript());
    expect(said[0]).toBe('I note a.');
    expect(said[1]).toMatch(/^A long/);
    h.model.enqueue('and now?');
    expect(await session.ask('next')).toMatchObject({ text: 'and now?' });
    expect(noted).toEqual(['a']);
  });

  it('F20 interrupt: while a tool of the row runs → no further step', async () => {
    hold = new Promise(() => undefined);
    h.model.enqueue(noting('a'));
    const session = await h.runtime.start();
    const asked = session.ask('go').catch((error: { type: string }) => error.type);
    await eventually(() => noted.length === 1);
    const before = h.model.requests.length;
    await session.interrupt();
    expect(await asked).toBe('Turn.Interrupted');
    expect(h.model.requests.length).toBe(before);
    hold = undefined;
    h.model.enqueue('well');
    expect(await session.ask('next')).toMatchObject({ text: 'well' });
  });

  it('F20 interrupt: while a later step waits for its next attempt → what came before is kept', async () => {
    h.model.enqueue(noting('a'), { error: { status: 429, retryAfter: 50 } });
    const session = await h.runtime.start();
    const asked = session.ask('go').catch((error: { type: string }) => error.type);
    await new Reader().until(session, 'step.failed');
    await session.interrupt();
    expect(await asked).toBe('Turn.Interrupted');
    expect(await session.status()).toMatchObject({ state: 'idle', head: 3 });
    h.model.enqueue('well');
    expect(await session.ask('next')).toMatchObject({ text: 'well' });
    expect(h.model.requests.at(-1)!.messages.map(({ text }) => text)).toEqual([
      'go',
      'I note a.',
      'noted a',
      'next',
    ]);
  });

  it('F13 model: a later step fails and is tried again → what came before is not done again', async () => {
    h.model.enqueue(noting('a'), { error: { status: 500 } }, noting('b'), 'done');
    const session = await h.runtime.start();
    const before = h.model.requests.length;
    expect(await session.ask('go')).toMatchObject({ text: 'done' });
    expect(h.model.requests.length - before).toBe(4);
    expect(noted).toEqual(['a', 'b']);
    expect(saidTexts(await session.transcript())).toEqual(['I note a.', 'I note b.', 'done']);
    const [turn] = (await session.timeline()).turns;
    expect(turn!.steps.map((each) => each.attempts.map(({ outcome }) => outcome))).toEqual([
      ['completed'],
      ['failed', 'completed'],
      ['completed'],
    ]);
  });

  it('a later step fails for good → the turn fails, and the steps before it stay with their cost', async () => {
    const usage = { input: 100, output: 10 };
    h.model.enqueue({ ...noting('a'), usage }, { error: { status: 400, message: 'no' } });
    const session = await h.runtime.start();
    await expect(session.ask('go')).rejects.toMatchObject({ type: 'Model.BadRequest' });
    expect((await session.transcript()).map(({ message }) => message.role)).toEqual([
      'user',
      'assistant',
      'tool',
    ]);
    // The failure is in the store a moment before the workflow has heard of it.
    const status = await eventually(async () => {
      const now = await session.status();
      return now.state !== 'running' && now;
    });
    expect(status).toMatchObject({ state: 'error', head: 3, usage: { input: 100, output: 10 } });
    h.model.enqueue('better now');
    expect(await session.ask('again')).toMatchObject({ text: 'better now' });
    expect(h.model.requests.at(-1)!.messages.map(({ text }) => text)).toEqual([
      'go',
      'I note a.',
      'noted a',
      'again',
    ]);
    expect(userTexts(await session.transcript())).toEqual(['go', 'again']);
  });

  it('the context overflows within a row → compacted, and the turn goes on', async () => {
    const wordy = tool({
      name: 'wordy',
      description: 'Says much.',
      parameters: z.object({}),
      effect: 'read',
      run: 'local',
      execute: () => 'word '.repeat(1_500),
    });
    const small = await Harness.start({
      tools: [wordy],
      agent: { contextWindow: 5_500, maxTokens: 500, limits: { maxToolOutputBytes: 20_000 } },
    });
    try {
      small.model.reply(({ system }) => system.startsWith('Summarise'), 'They want words.');
      const session = await small.runtime.start();
      small.model.enqueue('One. '.repeat(400), 'Two. '.repeat(400));
      await session.ask('x '.repeat(2_000));
      await session.ask('y '.repeat(1_000));
      small.model.enqueue(
        { toolCalls: [{ name: 'wordy' }] },
        { toolCalls: [{ name: 'wordy' }] },
        'end',
      );
      expect(await session.ask('go')).toMatchObject({ text: 'end' });
      const roles = (await session.transcript()).map(({ message }) => message.role);
      expect(roles).toContain('summary');
    } finally {
      await small.stop();
    }
  });
});
