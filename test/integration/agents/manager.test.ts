/** The life cycle of agents by the manager: pages, waits, families, and what becomes of children. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentManager, OnParentEnd } from '../../../src/index.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';

describe('agent manager', () => {
  let h: Harness;
  let manager: AgentManager;
  beforeAll(async () => {
    h = await Harness.start();
    h.model.reply(/./, 'answered');
    manager = h.runtime.manager();
  });
  afterAll(() => h.stop());

  /** A session that is in the store. */
  async function started(session: string, parent?: string, onParentEnd?: OnParentEnd) {
    const agent = await manager.start({
      session,
      message: 'hello',
      ...(parent === undefined ? {} : { parent }),
      ...(onParentEnd === undefined ? {} : { onParentEnd }),
    });
    await manager.wait(session);
    return agent;
  }
  const stateOf = async (name: string) => (await h.runtime.session(name).record())?.state;
  const ended = (name: string) => eventually(async () => (await stateOf(name)) === 'terminated');

  it('list: pages by cursor while others are started → each once, none left out; filters', async () => {
    const names = Array.from({ length: 7 }, (_, i) => `page-${i}`);
    for (const name of names) await h.runtime.start({ session: name, title: `Page ${name}` });
    for (const name of names) await eventually(async () => (await stateOf(name)) !== undefined);
    const first = await manager.list({ limit: 3, title: 'PAGE page' });
    expect(first.agents).toHaveLength(3);
    await started('page-later');
    const seen = first.agents.map(({ session }) => session);
    for (let after = first.next; after !== undefined;) {
      const page = await manager.list({ limit: 3, title: 'page page', after });
      seen.push(...page.agents.map(({ session }) => session));
      after = page.next;
    }
    expect(seen).toEqual([...new Set(seen)]);
    expect([...seen].sort()).toEqual(names);
    expect((await manager.list({ agent: 'nobody' })).agents).toEqual([]);
    expect((await manager.list({ state: ['terminated', 'error'] })).agents).toEqual([]);
  });

  it.each([0, -1, 1.5, NaN, 1e20, 1_001])(
    'list: a limit of %d → Request.Invalid',
    async (limit) => {
      await expect(manager.list({ limit })).rejects.toMatchObject({ type: 'Request.Invalid' });
    },
  );

  it.each(['', 'x', 'WzEsMl0', Buffer.from('["2020","a"').toString('base64url')])(
    'list: the cursor %j → Request.Invalid',
    async (after) => {
      await expect(manager.list({ after })).rejects.toMatchObject({ type: 'Request.Invalid' });
    },
  );

  it('pause, resume, find, wait → as the session has it; a name that nobody has → Session.NotFound', async () => {
    await started('held');
    await manager.pause('held');
    await eventually(async () => (await stateOf('held')) === 'paused');
    await h.runtime.session('held').send('while paused');
    const stop = new AbortController();
    const waiting = manager.wait('held', { signal: stop.signal });
    await manager.resume('held');
    expect(await waiting).toMatchObject({ state: 'idle', turns: 2 });
    expect((await manager.find('held'))?.id).toBe('held');
    expect(await manager.find('nobody-here')).toBeUndefined();
    await expect(manager.pause('nobody-here')).rejects.toMatchObject({ type: 'Session.NotFound' });
    await expect(manager.start({ parent: 'nobody-here' })).rejects.toMatchObject({
      type: 'Session.NotFound',
    });
  });

  it('wait: the signal is aborted → rejects; until ended → resolves when it has', async () => {
    await started('patient');
    await manager.pause('patient');
    await eventually(async () => (await stateOf('patient')) === 'paused');
    await expect(
      manager.wait('patient', { signal: AbortSignal.timeout(200) }),
    ).rejects.toMatchObject({ name: 'TimeoutError' });
    const end = manager.wait('patient', { until: 'ended' });
    await manager.terminate('patient');
    expect(await end).toMatchObject({ state: 'terminated' });
  });

  it('family: parent, children, tree → read from the store', async () => {
    await started('top');
    await started('left', 'top');
    await started('right', 'top');
    await started('below', 'left');
    expect((await manager.childrenOf('top')).map(({ session }) => session)).toEqual([
      'right',
      'left',
    ]);
    expect((await manager.parentOf('below'))?.session).toBe('left');
    expect(await manager.parentOf('top')).toBeUndefined();
    expect(await h.runtime.session('below').record()).toMatchObject({
      parent: 'session/left',
      root: 'session/top',
    });
    const tree = await manager.treeOf('top');
    expect(tree.children.map(({ agent, children }) => [agent.session, children.length])).toEqual([
      ['right', 0],
      ['left', 1],
    ]);
  });

  it('terminate: children end, stay, or go to the grandparent, as each says; repeated → nothing more', async () => {
    await started('g');
    await started('p', 'g');
    await started('p-end', 'p');
    await started('p-end-end', 'p-end');
    await started('p-keep', 'p', 'keep');
    await started('p-keep-below', 'p-keep');
    await started('p-up', 'p', 'grandparent');
    await started('p-up-below', 'p-up');
    const done = await manager.terminate('p', 'enough');
    expect([...done.ended].sort()).toEqual(['p', 'p-end', 'p-end-end']);
    expect([...done.kept].sort((a, b) => (a.session < b.session ? -1 : 1))).toEqual([
      { session: 'p-keep', parent: null },
      { session: 'p-up', parent: 'session/g' },
    ]);
    for (const name of done.ended) await ended(name);
    expect((await manager.childrenOf('g')).map(({ session }) => session).sort()).toEqual([
      'p',
      'p-up',
    ]);
    expect(await manager.parentOf('p-keep')).toBeUndefined();
    const placeOf = async (name: string) => {
      const { parent, root, path } = (await h.runtime.session(name).record())!;
      return { parent, root, path };
    };
    expect(await placeOf('p-keep')).toEqual({});
    expect(await placeOf('p-keep-below')).toEqual({
      parent: 'session/p-keep',
      root: 'session/p-keep',
      path: ['p-keep', 'p-keep-below'],
    });
    expect(await placeOf('p-up-below')).toEqual({
      parent: 'session/p-up',
      root: 'session/g',
      path: ['g', 'p-up', 'p-up-below'],
    });
    expect(await h.runtime.session('p-up').ask('still there?')).toMatchObject({ text: 'answered' });
    expect(await manager.terminate('p')).toEqual({ ended: [], kept: [] });
  });

  it('settleOrphans: the parent has ended by itself → done with its children as each says', async () => {
    await started('lone');
    await started('lone-end', 'lone', 'end');
    await started('lone-keep', 'lone', 'keep');
    await h.runtime.session('lone').end();
    await ended('lone');
    const { ended: names, kept } = await manager.settleOrphans();
    expect(names).toContain('lone-end');
    expect(kept).toContainEqual({ session: 'lone-keep', parent: null });
    await ended('lone-end');
    expect(await manager.settleOrphans()).toEqual({ ended: [], kept: [] });
  });

  it('S2 manager: another tenant → sees and ends none of them', async () => {
    await started('mine');
    const other = h.runtime.forTenant('other-tenant').manager();
    expect((await other.list({ title: 'page' })).agents).toEqual([]);
    await expect(other.terminate('mine')).rejects.toMatchObject({ type: 'Session.NotFound' });
    expect(await stateOf('mine')).toBe('idle');
  });
});
