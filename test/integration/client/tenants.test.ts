/** Many tenants in one process: one pool for all of them, streams that say whose they are. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { AgentRuntime } from '../../../src/client/agent-runtime.js';
import { Harness } from '../../support/harness.js';
import { openDatabase } from '../../../src/store/database.js';

describe('tenants', () => {
  let h: Harness;
  beforeAll(async () => {
    h = await Harness.start();
  });
  afterAll(() => h.stop());

  const connect = (databaseUrl: string) =>
    AgentRuntime.connect({
      temporalAddress: inject('temporalAddress'),
      taskQueue: h.taskQueue,
      tenant: h.tenant,
      databaseUrl,
    });

  it('views: of 40 tenants, all reading at once → the connections of one pool', async () => {
    const name = `pool-${h.tenant}`;
    const url = new URL(inject('databaseUrl'));
    url.searchParams.set('application_name', name);
    await using runtime = await connect(url.href);
    const views = Array.from({ length: 40 }, (_, i) => runtime.forTenant(`${h.tenant}-${i}`));
    await Promise.all(views.map((view) => view.sessions()));
    const database = openDatabase(inject('databaseUrl'), { maxConnections: 1 });
    const { rows } = await database.pool
      .query<{ count: number }>(
        'select count(*)::int as count from pg_stat_activity where application_name = $1',
        [name],
      )
      .finally(() => database.close());
    expect(rows[0]!.count).toBeGreaterThan(0);
    // Five of the pool, and the one that listens.
    expect(rows[0]!.count).toBeLessThanOrEqual(6);
  });

  it('views: the same session name in two tenants → two sessions, each its own', async () => {
    h.model.enqueue('for a', 'for b');
    await using runtime = await connect(inject('databaseUrl'));
    const other = runtime.forTenant(`${h.tenant}-b`);
    const [a, b] = [
      await runtime.start({ session: 'same' }),
      await other.start({ session: 'same' }),
    ];
    expect((await a.ask('hi')).text).toBe('for a');
    expect((await b.ask('hi')).text).toBe('for b');
    expect(await other.sessions()).toMatchObject([{ tenant: other.tenant, turns: 1 }]);
  });

  it('close: a view → its streams end, those of its runtime go on; the runtime → all end', async () => {
    const runtime = await connect(inject('databaseUrl'));
    const view = runtime.forTenant(`${h.tenant}-c`);
    const [own, its, third] = [
      runtime.session('quiet').events(),
      view.session('quiet').events(),
      runtime.forTenant(`${h.tenant}-d`).session('quiet').events(),
    ];
    const waiting = [own.next(), its.next(), third.next()] as const;
    await view.close();
    expect((await waiting[1]).done).toBe(true);
    expect(await runtime.sessions({ limit: 1 })).toBeDefined();
    let ended = false;
    void waiting[0].then(() => (ended = true));
    expect(ended).toBe(false);
    await runtime.close();
    expect((await waiting[0]).done).toBe(true);
    expect((await waiting[2]).done).toBe(true);
  });

  it('views: an invalid tenant → Config.Invalid', () => {
    expect(() => h.runtime.forTenant('B/../a')).toThrow(
      expect.objectContaining({ type: 'Config.Invalid' }) as Error,
    );
  });

  it('stream: durable and live items → each has the session and an empty path', async () => {
    h.model.enqueue({ text: 'slow words for a reader', chunkSize: 4, chunkDelayMs: 5 });
    const session = await h.runtime.start({ message: 'go' });
    const kinds = new Set<string>();
    for await (const item of session.events()) {
      expect(item).toMatchObject({ session: session.id, path: [] });
      kinds.add(item.type);
      if (item.type === 'turn.completed') break;
    }
    expect([...kinds]).toEqual(expect.arrayContaining(['delta', 'turn.completed']));
  });
});
