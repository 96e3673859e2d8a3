import { afterAll, beforeAll, expect, it } from 'vitest';
import { Harness } from '../../support/harness.js';
import { runsOf, saidTexts, userTexts } from '../../support/observe.js';

const TURNS = 1_000;
/** Messages that are sent before the answers are waited for: their turns run meanwhile. */
const AHEAD = 50;
/** A production server with default settings dispatches in ticks, a tenth of a second a turn. */
const BUDGET_MS = 400_000;

let h: Harness;
beforeAll(async () => {
  h = await Harness.start({ agent: { unread: 'one' } });
  h.model.reply(/^/, (request) => `re: ${request.lastUserText}`);
});
afterAll(() => h.stop());

it(
  'P4 session: 1,000 turns on one id → several runs, nothing lost, each history under 4,096 events',
  async () => {
    const started = performance.now();
    const session = await h.runtime.start();
    const texts = Array.from({ length: TURNS }, (_, i) => `turn ${i + 1}`);
    for (let from = 0; from < TURNS; from += AHEAD) {
      for (const text of texts.slice(from, from + AHEAD)) await session.send({ id: text, text });
      const last = texts[from + AHEAD - 1]!;
      expect(await session.answerTo(last)).toMatchObject({
        turn: from + AHEAD,
        text: `re: ${last}`,
      });
    }
    const seconds = (performance.now() - started) / 1_000;
    const transcript = await session.transcript();
    expect(userTexts(transcript)).toEqual(texts);
    expect(saidTexts(transcript)).toEqual(texts.map((text) => `re: ${text}`));
    const runs = await runsOf(h, session.workflowId);
    expect(runs.length).toBeGreaterThan(2);
    expect(Math.max(...runs.map(({ events }) => events))).toBeLessThan(4_096);
    const { turns } = await session.timeline();
    expect(turns.filter(({ outcome }) => outcome === 'completed')).toHaveLength(TURNS);
    console.log(
      `${TURNS} turns in ${seconds.toFixed(1)} s, runs of ${runs.map(({ events }) => events).join(', ')} events`,
    );
  },
  BUDGET_MS,
);
