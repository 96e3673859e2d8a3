/** Three levels, ten sub-agents each: what stops the first session stops all below it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session } from '../../../src/client/session.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';
import { agentNamed, allEnded, below, by, replayTree } from '../../support/tree.js';

const WIDTH = 10;
/** Round trips to a session that a busy machine is given instead of a second. */
const ROUND_TRIPS = 10;
const ONCE_MORE = { timeout: 240_000, retry: 1 };
let trees = 0;
const tasks = (agent: string, of: string) =>
  Array.from({ length: WIDTH }, (_, i) => ({ name: agent, arguments: { task: `${of}.${i}` } }));

describe('cancel of a tree', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start({
      agents: [
        agentNamed('top', { agents: [{ agent: 'middle' }] }),
        agentNamed('middle', { agents: [{ agent: 'leaf' }] }),
        agentNamed('leaf'),
      ],
      // A hundred model calls at the same time, and what stops them.
      worker: { maxConcurrentActivityTaskExecutions: 400 },
      stallTimeoutMs: 120_000,
    });
    h.model.reply(by('top'), (r) => ({ toolCalls: tasks('middle', r.lastUserText) }));
    h.model.reply(by('middle'), (r) => ({ toolCalls: tasks('leaf', r.lastUserText) }));
    h.model.reply(by('leaf'), { text: 'word '.repeat(20_000), chunkDelayMs: 200 });
  });
  afterAll(() => h.stop());

  /** A tree whose hundred leaves all speak. */
  const speaking = async (name: string): Promise<Session> => {
    const session = await h.runtime.start({ agent: 'top' });
    await session.send(name);
    const spoken = () =>
      h.model.requests.filter((r) => by('leaf')(r) && r.lastUserText.startsWith(name));
    await h.model.until(() => spoken().length === WIDTH * WIDTH);
    expect(await below(h, session)).toHaveLength(WIDTH + WIDTH * WIDTH);
    return session;
  };
  /**
   * A second, or what it takes on a machine that is busy with other things: measured while the tree
   * speaks, ms.
   */
  const bound = async (): Promise<number> => {
    const other = await h.runtime.start({ agent: 'leaf' });
    await other.status();
    const from = performance.now();
    await other.status();
    const roundTrip = performance.now() - from;
    await other.end();
    return Math.max(1_000, ROUND_TRIPS * roundTrip);
  };
  /** How long after `from` the last of them was closed, ms. */
  const closed = async (name: string, from: number): Promise<number> => {
    const ours = () =>
      h.model.closedEarly.filter(({ request }) => request.lastUserText.startsWith(name));
    await h.model.until(() => ours().filter(({ request }) => by('leaf')(request)).length >= 100);
    return Math.max(...ours().map(({ at }) => at)) - from;
  };

  it(
    'tree: three levels, ten each, the first is interrupted → every model call closed within a second',
    ONCE_MORE,
    async () => {
      const name = `interrupted-${++trees}`;
      const session = await speaking(name);
      const most = await bound();
      const from = Date.now();
      const receipt = session.interrupt('enough');
      const ms = await closed(name, from);
      console.log(
        `interrupted: 100 model calls closed after ${ms} ms (at most ${Math.round(most)})`,
      );
      expect(ms).toBeLessThan(most);
      expect(await receipt).toMatchObject({ interrupted: true });
      await allEnded(h, session);
      expect((await session.record())?.state).toBe('idle');
      expect(await replayTree(h, session)).toBe(1 + WIDTH + WIDTH * WIDTH);
    },
  );

  it(
    'tree: the first session ends → every model call closed within a second, all have ended',
    ONCE_MORE,
    async () => {
      const name = `ended-${++trees}`;
      const session = await speaking(name);
      const most = await bound();
      const from = Date.now();
      await session.end('enough');
      const ms = await closed(name, from);
      console.log(`ended: 100 model calls closed after ${ms} ms (at most ${Math.round(most)})`);
      expect(ms).toBeLessThan(most);
      await allEnded(h, session);
      await eventually(async () => (await session.record())?.state === 'terminated');
    },
  );
});
