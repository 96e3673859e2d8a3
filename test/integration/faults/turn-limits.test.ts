/** The limits of a turn, looked at before each attempt at a model call. */
import { afterEach, describe, expect, it } from 'vitest';
import { Harness, type HarnessOptions } from '../../support/harness.js';

/** Streams far beyond any deadline of these tests. */
const ENDLESS = { text: 'word '.repeat(5_000), chunkSize: 5, chunkDelayMs: 10 } as const;

describe('a turn', () => {
  let h: Harness;
  const start = async (limits: NonNullable<HarnessOptions['agent']>['limits'] & object) =>
    (h = await Harness.start({
      agent: { model: 'gpt-4o', limits },
      settings: { modelTimeoutMs: 500, maxModelAttempts: 20 },
    }));
  afterEach(() => h.stop());

  it('F17 attempts: the model is cut off again and again → stopped by the cost of the turn', async () => {
    // An attempt costs about one thousandth of a USD.
    await start({ maxTurnCostUsd: 0.003 });
    h.model.reply('x', ENDLESS);
    h.model.reply('y', 'fine');
    const session = await h.runtime.start();
    await expect(session.ask('x')).rejects.toMatchObject({ type: 'Turn.CostLimit' });
    expect(h.model.requests.length).toBeGreaterThan(1);
    expect(h.model.requests.length).toBeLessThan(12);
    expect((await session.ask('y')).text).toBe('fine');
  });

  it('F17 attempts: the model is cut off again and again → stopped by the time of the turn', async () => {
    await start({ maxTurnMs: 2_000 });
    h.model.reply('x', ENDLESS);
    h.model.reply('y', 'fine');
    const session = await h.runtime.start();
    await expect(session.ask('x')).rejects.toMatchObject({ type: 'Turn.TimeLimit' });
    expect(h.model.requests.length).toBeGreaterThan(1);
    expect(h.model.requests.length).toBeLessThan(5);
    expect((await session.ask('y')).text).toBe('fine');
  });
});
