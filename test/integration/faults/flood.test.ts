import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HANDLERS, type Answer } from '../../../src/contracts/session.js';
import { buildBundle } from '../../../worker/bundle.js';
import { Harness } from '../../support/harness.js';
import { eventually, historiesOf, userTexts } from '../../support/observe.js';

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
  const runs = await historiesOf(h, session.workflowId);
  expect(got).toEqual(runs.flatMap(signalledTexts));
  expect(Math.max(...runs.map(({ length }) => length))).toBeLessThan(4_096);
  console.log(
    `F12: ${MESSAGES} messages, runs of ${runs.map(({ length }) => length).join(', ')} events`,
  );
}, 180_000);

describe('a queue that is too large to be carried', () => {
  const SENDERS = 10;
  const WAVES = FULL ? 12 : 4;
  /** Messages of each sender in a wave. */
  const EACH = 40;
  let small: Harness;
  beforeAll(async () => {
    small = await Harness.start({ settings: { historyLimit: 300 } });
    small.model.reply(/^/, 'ok');
  });
  afterAll(() => small.stop());

  it('F12 messages: a flood, some of them large, while the session continues as new → none lost, doubled or reordered; what is carried stays small', async () => {
    const session = await small.runtime.start();
    const handle = small.runtime.temporal.workflow.getHandle(session.workflowId);
    const flood = async (wave: number) => {
      await Promise.all(
        Array.from({ length: SENDERS }, async (_, sender) => {
          for (let i = wave * EACH; i < (wave + 1) * EACH; i++) {
            const name = `${sender}.${i}`;
            const text = `${name} ${'x'.repeat(sizeOf(sender, i))}`;
            // Every other one without an id of its own: the workflow makes those.
            await handle.signal(HANDLERS.message, i % 2 === 0 ? text : { id: name, text });
          }
        }),
      );
    };
    /** Someone who waits for an answer, and is sent on at each continue-as-new. */
    const ask = async (id: string): Promise<Answer> => {
      for (;;) {
        try {
          const args: [unknown] = [{ id, text: id }];
          return await handle.executeUpdate<Answer, [unknown]>(HANDLERS.ask, { args });
        } catch (error) {
          const { cause, message } = error as Error & { cause?: { type?: string } };
          // Or the update is looked for in the new run, which never had it.
          if (/update .* not found/.test(message)) continue;
          if (cause?.type !== 'Session.ContinuedAsNew') throw error;
        }
      }
    };
    await session.pause();
    const asked = Promise.all(['ask-1', 'ask-2', 'ask-3'].map(ask));
    for (let wave = 0; wave < WAVES - 1; wave++) {
      await flood(wave);
      // Temporal lets no run end that has not seen every signal: in a flood none does.
      await eventually(async () => (await session.status()).runs > wave + 1);
    }
    await Promise.all([session.resume(), flood(WAVES - 1)]);
    const sent = WAVES * SENDERS * EACH;
    const all = await eventually(async () => {
      if ((await session.record())!.state !== 'idle') return undefined;
      const texts = userTexts(await session.transcript()).map((text) => text.split(' ')[0]!);
      return texts.length >= sent + 3 && texts;
    }, 120_000);
    expect(all.filter((name) => name.startsWith('ask-')).sort()).toEqual([
      'ask-1',
      'ask-2',
      'ask-3',
    ]);
    expect((await asked).map(({ text }) => text)).toEqual(['ok', 'ok', 'ok']);
    const got = all.filter((name) => !name.startsWith('ask-'));
    expect(got).toHaveLength(sent);
    expect(new Set(got).size).toBe(sent);
    const histories = await historiesOf(small, session.workflowId);
    // The order of acceptance, and within it that of each sender.
    expect(got).toEqual(histories.flatMap(signalledTexts).map((text) => text.split(' ')[0]));
    for (let sender = 0; sender < SENDERS; sender++) {
      const own = got.filter((name) => name.startsWith(`${sender}.`));
      expect(own).toEqual(Array.from({ length: WAVES * EACH }, (_, i) => `${sender}.${i}`));
    }
    const carried = histories.map((events) => {
      const { input } = events[0]!.workflowExecutionStartedEventAttributes!;
      return input!.payloads!.reduce((sum, { data }) => sum + data!.length, 0);
    });
    expect(histories.length).toBeGreaterThanOrEqual(WAVES);
    // A worker that dies in the flood leaves its session to one that replays it.
    const bundle = { workflowBundle: await buildBundle() };
    for (const events of histories) {
      await Worker.runReplayHistory(bundle, { events }, session.workflowId);
    }
    expect(Math.max(...carried)).toBeLessThan(256 * 1024);
    console.log(
      `F12: ${sent} messages, runs of ${histories.map(({ length }) => length).join(', ')} events, ` +
        `${carried.join(', ')} bytes carried`,
    );
  }, 180_000);

  /** Mostly short; from each sender some that fill a batch of the store, one almost by itself. */
  function sizeOf(sender: number, i: number): number {
    if (i % 60 === sender) return 60_000;
    return i % 20 === 0 ? 20_000 : 20;
  }
});

/** Texts of the message signals of a run, in the order of its history. */
function signalledTexts(events: Awaited<ReturnType<typeof historiesOf>>[number]): string[] {
  return events.flatMap((event) => {
    const signal = event.workflowExecutionSignaledEventAttributes;
    if (signal?.signalName !== HANDLERS.message) return [];
    const message = JSON.parse(Buffer.from(signal.input!.payloads![0]!.data!).toString()) as
      string | { text: string };
    return [typeof message === 'string' ? message : message.text];
  });
}
