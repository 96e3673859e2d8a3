/**
 * Queries of a busy session that no cache has, as Temporal's UI makes them: they read events before the
 * workflow task that brings them (workflows/early-jobs.ts). Temporal's Java test server answers such
 * queries from another place, so this is for a production server.
 */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { HANDLERS, type SessionStatus } from '../../../src/contracts/session.js';
import { replayHistories } from '../../../src/testing/replay.js';
import { Harness } from '../../support/harness.js';

const AT_ONCE = 10;
const ROUNDS = 8;

let h: Harness;
beforeAll(async () => {
  h = await Harness.start({ worker: { maxCachedWorkflows: 2 } });
  h.model.reply(/^/, ({ lastUserText }) =>
    lastUserText === 'slow' ? { text: 'word '.repeat(400), chunkDelayMs: 100 } : 'well',
  );
});
afterAll(() => h.stop());

/** One session that is paused, resumed, asked and interrupted while it is asked again and again how it is. */
async function round() {
  const session = await h.runtime.start();
  const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
  const polled = async (isIt: (state: string) => boolean) => {
    while (!isIt((await handle.query<SessionStatus>(HANDLERS.status)).state));
  };
  await handle.signal(HANDLERS.pause);
  await polled((state) => state === 'paused');
  await handle.signal(HANDLERS.resume);
  await polled((state) => state !== 'paused');
  const asked = session.ask('slow').catch((error: { type: string }) => error.type);
  await polled((state) => state === 'running');
  expect(await session.interrupt('enough')).toMatchObject({ interrupted: true });
  expect(await asked).toBe('Turn.Interrupted');
  expect((await session.ask('and now?')).text).toBe('well');
  const history = await handle.fetchHistory();
  const failed = history.events!.filter((event) => event.workflowTaskFailedEventAttributes);
  expect(failed).toEqual([]);
  return history;
}

it.runIf(inject('production'))(
  `queries: ${AT_ONCE * ROUNDS} busy sessions with a cache of 2, each polled at every step → all go on, all replay`,
  { timeout: 240_000 },
  async () => {
    const one = async () => {
      const histories = [];
      for (let i = 0; i < ROUNDS; i++) histories.push(await round());
      return histories;
    };
    const histories = (await Promise.all(Array.from({ length: AT_ONCE }, one))).flat();
    for await (const { error } of replayHistories(histories)) expect(error).toBeUndefined();
  },
);
