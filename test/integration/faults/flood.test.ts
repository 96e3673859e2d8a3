import { afterAll, beforeAll, expect, it } from 'vitest';
import { HANDLERS } from '../../../src/contracts/session.js';
import { Harness } from '../../support/harness.js';
import { eventually, runsOf, userTexts } from '../../support/observe.js';

const FULL = process.env.PERDURA_TEST_FULL === '1';
const MESSAGES = FULL ? 10_000 : 2_000;
/** Signals in flight at once, and how many may wait in the workflow before the next ones are sent. */
const LANES = 20;
const BURST = 500;

let h: Harness;
beforeAll(async () => {
  h = await Harness.start();
  h.model.reply(/^/, 'ok');
});
afterAll(() => h.stop());

it(`F12 messages: ${MESSAGES} to one session by signal → none lost, in order, each run's history bounded`, async () => {
  const session = await h.runtime.start();
  const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
  const texts = Array.from({ length: MESSAGES }, (_, i) => `m${i}`);
  for (let from = 0; from < MESSAGES; from += BURST) {
    const burst = texts.slice(from, from + BURST);
    // Lanes would change the order of acceptance: within a burst each lane has its own stretch.
    const size = Math.ceil(burst.length / LANES);
    await Promise.all(
      Array.from({ length: LANES }, async (_, lane) => {
        for (const text of burst.slice(lane * size, (lane + 1) * size)) {
          await handle.signal(HANDLERS.message, { id: text, text });
        }
      }),
    );
  }
  const transcript = await eventually(async () => {
    if ((await session.record())!.state !== 'idle') return undefined;
    const rows = await session.transcript();
    return userTexts(rows).length >= MESSAGES && rows;
  }, 120_000);
  const got = userTexts(transcript);
  expect(got).toHaveLength(MESSAGES);
  expect(new Set(got).size).toBe(MESSAGES);
  // Order of acceptance is the order of the signals in the histories.
  expect(got).toEqual(await signalled(session.workflowId));
  const runs = await runsOf(h, session.workflowId);
  expect(Math.max(...runs.map(({ events }) => events))).toBeLessThan(4_096);
  console.log(
    `F12: ${MESSAGES} messages, runs of ${runs.map(({ events }) => events).join(', ')} events`,
  );
}, 180_000);

/** Texts of the message signals, over all runs, in the order of the histories. */
async function signalled(workflowId: string): Promise<string[]> {
  const texts: string[] = [];
  let runId: string | undefined | null;
  do {
    const handle = h.runtime.temporal.workflow.getHandle(workflowId, runId ?? undefined);
    const { events } = await handle.fetchHistory();
    const list = events ?? [];
    const ours = list.flatMap((event) => {
      const signal = event.workflowExecutionSignaledEventAttributes;
      if (signal?.signalName !== HANDLERS.message) return [];
      const data = Buffer.from(signal.input!.payloads![0]!.data!).toString();
      return [(JSON.parse(data) as { text: string }).text];
    });
    texts.unshift(...ours);
    runId = list[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId;
  } while (runId);
  return texts;
}
