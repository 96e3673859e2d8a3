/**
 * The storm: send, ask, signal, pause, resume, interrupt, wakeUpAfter and end at the same moment.
 * Gently, as one user with five sessions does, and under load; with a cache of 2 workflows and of
 * 500; workers are killed on the way. Afterwards every history of every run is replayed.
 *
 *     PERDURA_STORM=all PERDURA_STORM_SEED=7 npx vitest run storm
 *
 * `all` makes a hundred rounds and 60 s of load, which is what a release is tested with.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildBundle } from '../../../worker/bundle.js';
import { seeded } from '../../support/random.js';
import { combinations, DEEDS, Storm, type Deed, type StormSession } from '../../support/storm.js';

const ALL = process.env.PERDURA_STORM === 'all';
const SEED = Number(process.env.PERDURA_STORM_SEED ?? randomBytes(3).readUIntBE(0, 3));
const GENTLE_SESSIONS = 5;
/** With five sessions 51 rounds have each of the 255 combinations once. */
const ROUNDS = ALL ? 100 : 51;
const LOADED_SESSIONS = 20;
const LOAD_MS = ALL ? 60_000 : 12_000;

let bundle: { code: string };
beforeAll(async () => {
  bundle = await buildBundle();
});

describe.each([{ cachedWorkflows: 2 }, { cachedWorkflows: 500 }])(
  'a cache of $cachedWorkflows workflows',
  ({ cachedWorkflows }) => {
    let storm: Storm;
    beforeAll(async () => {
      storm = await Storm.start({ cachedWorkflows });
    });
    afterAll(() => storm?.stop());

    it(`storm: one user, ${GENTLE_SESSIONS} sessions, every combination of buttons at the same moment → every history replays, nothing stuck, lost or doubled`, async () => {
      const random = seeded(SEED);
      const rounds = shuffled(combinations(), random);
      while (rounds.length < ROUNDS * GENTLE_SESSIONS) rounds.push(anyOf(random));
      await Promise.all(
        Array.from({ length: GENTLE_SESSIONS }, async (_, user) => {
          let session = await storm.open();
          for (let round = 0; round < ROUNDS; round++) {
            if (user === 0 && round % 12 === 6) storm.kill(random);
            const lasting: Promise<unknown>[] = [];
            // The agent speaks when the buttons are pressed.
            if (round % 4 !== 0) await session.all(['send']);
            await session.all(rounds[round * GENTLE_SESSIONS + user]!, lasting);
            await session.settled(lasting);
            if (session.ending) session = await storm.open();
          }
        }),
      );
      await judge(storm, `gentle, cache ${cachedWorkflows}`);
    }, 900_000);

    it(`storm: ${LOADED_SESSIONS} sessions under load for ${LOAD_MS / 1_000} s, workers killed → every history replays, nothing stuck, lost or doubled`, async () => {
      const random = seeded(SEED + 1);
      const end = performance.now() + LOAD_MS;
      let kill = performance.now() + 3_000;
      await Promise.all(
        Array.from({ length: LOADED_SESSIONS }, async () => {
          let session = await storm.open();
          let lasting: Promise<unknown>[] = [];
          while (performance.now() < end) {
            const deeds = anyOf(random);
            // Most of them without the end, or there would be no long life to be hit.
            await session.all(
              random() < 0.9 ? deeds.filter((deed) => deed !== 'end') : deeds,
              lasting,
            );
            if (performance.now() > kill) {
              kill = performance.now() + 5_000;
              storm.kill(random);
            }
            // Temporal allows ten updates in flight.
            if (lasting.length > 6 || session.ending) {
              await session.settled(lasting);
              lasting = [];
            }
            if (session.ending) session = await storm.open();
          }
          await session.settled(lasting);
        }),
      );
      await judge(storm, `load, cache ${cachedWorkflows}`);
    }, 900_000);
  },
);

async function judge(storm: Storm, what: string): Promise<void> {
  const sessions = storm.sessions.splice(0);
  const counted = await Promise.all(sessions.map((session: StormSession) => session.count()));
  const lost = counted.flatMap((each, i) =>
    each.lost.map((id) => `${sessions[i]!.session.id} ${id}`),
  );
  const doubled = counted.flatMap(({ doubled }) => doubled);
  const messages = counted.reduce((sum, each) => sum + each.messages, 0);
  const surprises = sessions.flatMap((session) => session.surprises);
  storm.sessions.push(...sessions);
  const { histories, failures } = await storm.replay(bundle);
  storm.sessions.length = 0;
  console.log(
    `storm (${what}): seed ${SEED} · kills ${storm.kills} · sessions ${sessions.length} · messages ${messages} · ` +
      `lost ${lost.length} · doubled ${doubled.length} · histories replayed ${histories}, of which failed ${failures.length}`,
  );
  storm.kills = 0;
  expect({ failures, lost, doubled, surprises }).toEqual({
    failures: [],
    lost: [],
    doubled: [],
    surprises: [],
  });
}

function anyOf(random: () => number): Deed[] {
  const deeds = DEEDS.filter(() => random() < 0.45);
  return deeds.length > 0 ? deeds : ['send'];
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  return list
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
