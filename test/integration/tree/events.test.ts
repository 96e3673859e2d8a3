/** The stream of a tree: the items of all sessions below one, each with its session and path. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StreamItem } from '../../../src/contracts/events.js';
import { Harness } from '../../support/harness.js';
import { agentNamed, allEnded, below, by, told } from '../../support/tree.js';

describe('events of a tree', () => {
  let h: Harness;
  /** Resolves when the reader follows all leaves: a delta that nobody hears is lost. */
  let heard: Promise<void> = Promise.resolve();
  beforeAll(async () => {
    h = await Harness.start({
      agents: [
        agentNamed('top', { agents: [{ agent: 'middle' }] }),
        agentNamed('middle', { agents: [{ agent: 'leaf' }] }),
        agentNamed('leaf'),
      ],
    });
    const passing = (agent: string, to: string) =>
      h.model.reply(by(agent), (r) =>
        told(r).length > 0
          ? `${agent}: ${told(r).join(', ')}`
          : {
              toolCalls: [1, 2].map((i) => ({
                name: to,
                arguments: { task: `${r.lastUserText}.${i}` },
              })),
            },
      );
    passing('top', 'middle');
    passing('middle', 'leaf');
    h.model.reply(by('leaf'), async (r) => {
      await heard;
      return {
        text: `This is what the leaf says of ${r.lastUserText}, in several pieces.`,
        chunkDelayMs: 15,
      };
    });
  });
  afterAll(() => h.stop());

  const key = ({ session, path }: StreamItem) => [...path.slice(0, -1), session].join('/');

  it('tree: followed live → every item of seven sessions with its path, deltas too, each in order; again from cursors → no gap', async () => {
    const session = await h.runtime.start({ agent: 'top' });
    const items: StreamItem[] = [];
    let hear: () => void = () => undefined;
    heard = new Promise((resolve) => (hear = resolve));
    const begun = (item: StreamItem) => item.type === 'step.started' && item.path.length === 2;
    const reading = (async () => {
      for await (const item of session.events({ tree: true })) {
        items.push(item);
        if (items.filter(begun).length === 4) hear();
        if (item.type === 'turn.completed' && item.session === session.id) return;
      }
    })();
    await session.ask('x');
    await reading;
    await allEnded(h, session);
    const children = await below(h, session);
    expect(children).toHaveLength(6);
    // The stored path begins with the root, that of an item below it.
    const paths = new Map(children.map(({ session: name, path = [] }) => [name, path.slice(1)]));
    const last = new Map<string, number>();
    const spoken = new Map<string, string>();
    for (const item of items) {
      expect(item.path).toEqual(paths.get(item.session) ?? []);
      if ('n' in item) {
        expect([key(item), item.n]).toEqual([key(item), (last.get(item.session) ?? 0) + 1]);
        last.set(item.session, item.n);
      } else if (item.type === 'delta') {
        const before = spoken.get(item.session) ?? '';
        expect(item.offset).toBe(before.length);
        spoken.set(item.session, before + item.text);
      }
    }
    expect(last.size).toBe(7);
    const leaves = children.filter(({ agent }) => agent === 'leaf');
    for (const { session: leaf } of leaves)
      expect(spoken.get(leaf)).toMatch(/^This is .*pieces\.$/);
    // In the past, in the order of time.
    const past: StreamItem[] = [];
    for await (const item of session.events({ tree: true, live: false })) past.push(item);
    const times = past.flatMap((item) => ('at' in item ? [item.at] : []));
    expect(times).toEqual([...times].sort());
    // What is behind the cursors, of sessions that are only known from before them.
    const cursors = Object.fromEntries([...last].map(([name, n]) => [name, Math.max(0, n - 1)]));
    const missing: string[] = [];
    for await (const item of session.events({ tree: true, live: false, cursors })) {
      if ('n' in item) missing.push(`${item.session} ${item.n}`);
    }
    const expected = past.flatMap((item) =>
      'n' in item && item.n > cursors[item.session]! ? [`${item.session} ${item.n}`] : [],
    );
    expect(missing.sort()).toEqual(expected.sort());
  });

  it('tree: its root ends → the stream ends when all below have', async () => {
    const session = await h.runtime.start({ agent: 'top' });
    await session.ask('y');
    await session.end('done');
    const ends: string[] = [];
    for await (const item of session.events({ tree: true })) {
      if (item.type === 'session.ended') ends.push(item.session);
    }
    expect(new Set(ends).size).toBe(7);
  });
});
