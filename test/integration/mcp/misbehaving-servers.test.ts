/** Servers that die, hang, change and lie: `test/fixtures/odd-mcp-server.mjs`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { isRetryable } from '../../../src/contracts/failures.js';
import { ToolExecutor } from '../../../src/tools/tool-executor.js';
import { groupAlive, InMemoryPins, placeOf, until } from '../../support/mcp.js';
import { manage, namesOf, oddServer, textOf } from '../../support/mcp-manager.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

const KILLED_WORKER = fileURLToPath(new URL('../../fixtures/mcp-worker.ts', import.meta.url));
const pidOf = (manager: ReturnType<typeof manage>['manager'], at = 0) =>
  manager.status()[at]?.pid ?? 0;

describe('a server that dies', () => {
  it('F18 mcp: server killed in a call → a read tool is retried by Temporal and reaches a new process', async () => {
    const server = oddServer('dies-in-call');
    const { call } = manage({ odd: server });
    const first = await call('odd__look').catch((error: unknown) => error);
    expect(first).toMatchObject({ type: 'Mcp.Unavailable', message: /exit code 9/ });
    expect(isRetryable('Mcp.Unavailable')).toBe(true);
    expect(textOf(await call('odd__look', {}, { attempt: 2 }))).toMatch(/^look ran/);
    expect(server.ran()).toEqual(['look', 'look']);
  });

  it('F18 mcp: server killed in a call → a once tool is OUTCOME_UNKNOWN and never runs twice', async () => {
    const server = oddServer('dies-in-call');
    const { call } = manage({ odd: server });
    expect((await call('odd__act')).failure?.type).toBe('Tool.OutcomeUnknown');
    const second = await call('odd__act', {}, { attempt: 2 });
    expect(second.failure?.type).toBe('Tool.OutcomeUnknown');
    expect(server.ran()).toEqual(['act']);
  });

  it('F18 mcp: server killed between two calls → the next call opens another process, also for once', async () => {
    const server = oddServer('good');
    const { manager, call } = manage({ odd: server });
    await namesOf(manager);
    const pid = pidOf(manager);
    process.kill(pid, 'SIGKILL');
    await until(() => manager.status()[0]?.state === 'idle');
    expect(textOf(await call('odd__act', { what: 'x' }))).toBe('act ran with {"what":"x"}');
    expect(pidOf(manager)).not.toBe(pid);
    expect(server.ran()).toEqual(['act']);
  });

  it.each([
    ['exits at once', oddServer('exits'), /exit code 3; it said: no licence key/],
    ['dies at its list', oddServer('dies-at-list'), /exit code 4/],
    ['does not exist', { command: '/no/such/program' }, /exit code 127/],
    ['has no folder', { ...oddServer('good'), cwd: '/no/such/folder' }, /could not be started/],
  ])(
    'F18 mcp: server that %s → no tools, the status says why, others are there',
    async (_, bad, why) => {
      const { manager, call } = manage({ bad, good: oddServer('good') });
      expect(await namesOf(manager)).toEqual(['good__look', 'good__act']);
      expect(manager.status()[0]).toMatchObject({ state: 'failed', tools: 0, lastError: why });
      const called = await call('bad__look', {}, { attempt: 3 });
      expect(called.failure).toMatchObject({ type: 'Mcp.Unavailable', message: why });
    },
  );

  it('F18 mcp: server that cannot be used → said each time, also while it is tried again', async () => {
    const { manager } = manage({ bad: oddServer('exits'), good: oddServer('good') });
    expect(manager.unavailable(['*'])).toEqual([]);
    const bad = { server: 'bad', reason: expect.stringContaining('exit code 3') as string };
    await namesOf(manager);
    const states = new Set<string>();
    // Until an attempt in the background has been seen under way.
    await until(async () => {
      await namesOf(manager);
      states.add(manager.status()[0]!.state);
      expect(manager.unavailable(['*'])).toEqual([bad]);
      expect(manager.unavailable(['good'])).toEqual([]);
      return states.has('connecting');
    });
    expect(manager.unavailable(['nobody'])).toMatchObject([{ server: 'nobody' }]);
  });

  it('F18 mcp: server that failed → left alone for a while, the caller told how long', async () => {
    const { manager, call } = manage({ bad: oddServer('exits') });
    await namesOf(manager);
    await expect(call('bad__look')).rejects.toMatchObject({
      type: 'Mcp.Unavailable',
      retryAfterMs: expect.any(Number) as number,
    });
  });
});

describe('a server that hangs', () => {
  it.each([
    ['connect', { connectMs: 400 }, /handshake within 400 ms/],
    ['list', { listMs: 400 }, /tools\/list within 400 ms/],
  ])(
    'F18 mcp: hangs at %s → its deadline passes, others are listed, no process is left',
    async (phase, deadlines, why) => {
      const { manager } = manage({
        bad: { ...oddServer(`hangs-at-${phase}`), deadlines },
        good: oddServer('good'),
      });
      const started = performance.now();
      expect(await namesOf(manager)).toEqual(['good__look', 'good__act']);
      expect(performance.now() - started).toBeLessThan(5_000);
      const [bad] = manager.status();
      expect(bad).toMatchObject({ state: 'failed', lastError: why });
      expect(bad).not.toHaveProperty('pid');
    },
  );

  it('F18 mcp: hung once → does not hold up the next listing, it is tried in the background', async () => {
    const { manager } = manage({
      bad: { ...oddServer('hangs-at-connect'), deadlines: { connectMs: 300 } },
      good: oddServer('good'),
    });
    await namesOf(manager);
    const started = performance.now();
    for (let i = 0; i < 20; i++) expect(await namesOf(manager)).toHaveLength(2);
    expect(performance.now() - started).toBeLessThan(250);
  });

  it('F18 mcp: hangs at a call → once: OUTCOME_UNKNOWN; read: another attempt, then told', async () => {
    const { call } = manage({ odd: { ...oddServer('hangs-at-call'), deadlines: { callMs: 200 } } });
    expect((await call('odd__act')).failure).toMatchObject({
      type: 'Tool.OutcomeUnknown',
      message: /tools\/call within 200 ms/,
    });
    await expect(call('odd__look')).rejects.toMatchObject({ type: 'Mcp.Timeout' });
    expect((await call('odd__look', {}, { attempt: 3 })).failure?.type).toBe('Mcp.Timeout');
  });

  it('F18 mcp: one call hangs → other calls of the same server are answered', async () => {
    const { call } = manage({ odd: { ...oddServer('cancels'), deadlines: { callMs: 2_000 } } });
    const hanging = call('odd__act');
    expect(textOf(await call('odd__look'))).toBe('cancelled: 0');
    expect((await hanging).failure?.type).toBe('Tool.OutcomeUnknown');
  });

  it.each([
    ['answers nothing any more', 'hangs-for-good', 1],
    ['answers pings and no call', 'hangs-at-calls', 3],
  ])(
    'F18 mcp: server %s → its process is replaced after deadlines in a row, others are left alone',
    async (_, mode, deadlines) => {
      const server = { ...oddServer(mode), deadlines: { callMs: 200, connectMs: 1_000 } };
      const { manager, call } = manage({ odd: server, good: oddServer('good') });
      await namesOf(manager);
      const [pid, other] = [pidOf(manager), pidOf(manager, 1)];
      for (let i = 0; i < deadlines; i++) {
        await expect(call('odd__look')).rejects.toMatchObject({ type: 'Mcp.Timeout' });
      }
      await until(() => !groupAlive(pid));
      await until(() => manager.status()[0]?.state === 'idle');
      expect(manager.unavailable(['odd'])).toMatchObject([{ reason: /does not answer/ }]);
      // Not at once: one that hangs again and again is left alone for longer and longer.
      await until(() =>
        call('odd__look').then(
          (outcome) => textOf(outcome).startsWith('look ran'),
          () => false,
        ),
      );
      expect(manager.unavailable(['*'])).toEqual([]);
      expect(pidOf(manager)).not.toBe(pid);
      expect(pidOf(manager, 1)).toBe(other);
    },
  );

  it('F18 mcp: one call misses its deadline and the server lives → its connection stays', async () => {
    const { manager, call } = manage({
      odd: { ...oddServer('cancels'), deadlines: { callMs: 200 } },
    });
    await call('odd__look');
    const pid = pidOf(manager);
    for (let i = 0; i < 4; i++) {
      expect((await call('odd__act')).failure?.type).toBe('Tool.OutcomeUnknown');
      expect(textOf(await call('odd__look'))).toMatch(/^cancelled/);
    }
    expect(pidOf(manager)).toBe(pid);
  });

  it('F18 mcp: progress → extends the deadline of the call and is forwarded', async () => {
    const { call } = manage({ odd: { ...oddServer('progress'), deadlines: { callMs: 1_200 } } });
    const heard: (string | number | undefined)[][] = [];
    const outcome = await call('odd__look', {}, { progress: (...said) => heard.push(said) });
    expect(textOf(outcome)).toBe('done');
    expect(outcome.ms).toBeGreaterThan(1_200);
    expect(heard).toContainEqual(['step 2', 0.4]);
  });

  it('F18 mcp: a list without end → ends by itself', async () => {
    const { manager } = manage({ odd: oddServer('lists-for-ever') });
    expect(await namesOf(manager)).toEqual([]);
    expect(manager.status()[0]?.state).toBe('ready');
  });

  it('F20 mcp: interrupted in a call → told at once, and the server gets the cancellation', async () => {
    const { call } = manage({ odd: oddServer('cancels') });
    await call('odd__look');
    const control = new AbortController();
    const acting = call('odd__act', {}, { signal: control.signal });
    // Answered behind `act` on the same pipe: the server has begun it.
    await call('odd__look');
    control.abort();
    expect((await acting).failure?.type).toBe('Tool.Interrupted');
    expect(textOf(await call('odd__look'))).toBe('cancelled: 1');
  });
});

describe('a server that changes or lies', () => {
  it('F18 S9 mcp: a tool’s schema changes → no longer offered, a call of it is refused, until accepted', async () => {
    const server = oddServer('changes');
    const { manager, call, changes } = manage({ odd: server });
    expect(await namesOf(manager)).toEqual(['odd__look', 'odd__act']);
    await call('odd__look');
    await until(() => changes.length > 0);
    expect(await namesOf(manager)).toEqual(['odd__look']);
    expect(manager.status()[0]).toMatchObject({ changed: ['act'], tools: 1 });
    expect((await call('odd__act')).failure).toMatchObject({
      type: 'Mcp.ToolChanged',
      message: /held back until somebody accepts it/,
    });
    expect(server.ran()).toEqual(['look']);
    expect(await manager.accept('odd')).toEqual(['act']);
    const tools = await manager.tools(['odd']);
    expect(tools[1]?.parameters['properties']).toHaveProperty('password');
    expect((await call('odd__act')).failure).toBeUndefined();
  });

  it('S9 mcp: changed between the offer and the call → the call waits for the new list and is refused', async () => {
    const server = oddServer('changes');
    const { manager, call } = manage({ odd: server });
    const offered = (await manager.tools(['odd'])).find(({ name }) => name === 'odd__act');
    await call('odd__look');
    const outcome = await new ToolExecutor().run(
      { id: 'c', name: 'odd__act', arguments: '{}' },
      offered,
      placeOf(),
      { signal: new AbortController().signal },
    );
    expect(outcome.failure?.type).toBe('Mcp.ToolChanged');
    expect(server.ran()).toEqual(['look']);
  });

  it('S9 mcp: changed while no worker ran → found against the pins, accepted by another process → offered', async () => {
    const pins = new InMemoryPins();
    const before = manage({ odd: oddServer('changes-silently') }, pins);
    await namesOf(before.manager);
    await pins.accept('odd', 'act', 'digest of last week');
    const after = manage({ odd: oddServer('good') }, pins);
    expect(await namesOf(after.manager)).toEqual(['odd__look']);
    const other = manage({ odd: oddServer('good') }, pins);
    expect(await other.manager.accept('odd', ['act'])).toEqual(['act']);
    expect(await namesOf(after.manager)).toEqual(['odd__look', 'odd__act']);
  });

  it('F18 mcp: onChange accept → the new description is taken over', async () => {
    const { manager, call, changes } = manage({
      odd: { ...oddServer('changes'), onChange: 'accept' },
    });
    await namesOf(manager);
    await call('odd__look');
    await until(() => changes.length > 0);
    expect(await namesOf(manager)).toEqual(['odd__look', 'odd__act']);
    expect(manager.status()[0]?.changed).toEqual([]);
  });

  it('F18 mcp: announces a change and does not list it → the old list is served, no call is made', async () => {
    const server = oddServer('announces-only');
    const { manager, call } = manage({ odd: { ...server, deadlines: { listMs: 200 } } });
    await namesOf(manager);
    await call('odd__look');
    expect(await namesOf(manager)).toEqual(['odd__look', 'odd__act']);
    expect((await call('odd__act')).failure).toMatchObject({
      type: 'Mcp.Unavailable',
      message: /does not list them/,
    });
    expect(server.ran()).toEqual(['look']);
  });

  it('S9 mcp: poisoned description → not offered, the status shows it, offered once accepted', async () => {
    const { manager, call } = manage({ odd: oddServer('poisoned') });
    expect(await namesOf(manager)).toEqual(['odd__look', 'odd__act']);
    const [status] = manager.status();
    expect(status?.blocked).toMatchObject([
      { tool: 'add', reason: 'suspicious', description: /IMPORTANT/ },
      { tool: 'hidden', reason: 'suspicious', detail: /cannot see/ },
    ]);
    const [first] = await manager.tools(['odd']);
    expect((await manager.tools(['odd']))[0]).toBe(first);
    expect((await call('odd__add')).failure?.type).toBe('Mcp.ToolChanged');
    expect(await manager.accept('odd', ['hidden'])).toEqual(['hidden']);
    expect(await namesOf(manager)).toEqual(['odd__look', 'odd__act', 'odd__hidden']);
  });

  it('S9 S18 mcp: odd names, foreign $refs, duplicates, invalid tools → mended, held back or left out, the rest works', async () => {
    const { manager, call } = manage({ odd: oddServer('odd-tools') });
    const names = await namesOf(manager);
    expect(names.slice(0, 2)).toEqual(['odd__look', 'odd__act']);
    expect(names.every((name) => /^[A-Za-z0-9_-]{1,64}$/.test(name))).toBe(true);
    expect(names[2]).toMatch(/^odd__n_me_with_dots_[0-9a-f]{8}$/);
    const [status] = manager.status();
    expect(status?.blocked).toMatchObject([
      { tool: 'reads files', reason: 'unusable', detail: /file:\/\/\/etc\/passwd/ },
      { tool: 'look', reason: 'unusable', detail: /twice/ },
      { tool: 'slow', reason: 'unusable', detail: /task/ },
    ]);
    expect(status?.warnings).toMatchObject([/"broken" is not valid/]);
    expect(textOf(await call(names[2]!))).toMatch(/^näme with\.dots ran/);
    const evil = await call('odd__pattern', { s: `${'a'.repeat(40)}!` });
    expect(evil.failure).toBeUndefined();
  });

  it.each([
    ['an error', 'refuses', /no such account/],
    ['isError', 'fails', /disk full/],
    ['what is no result', 'nonsense', /no valid MCP result/],
  ])('mcp: server answers with %s → Tool.Failed, told to the model', async (_, mode, message) => {
    const { call } = manage({ odd: oddServer(mode) });
    expect((await call('odd__act')).failure).toMatchObject({ type: 'Tool.Failed', message });
  });

  it('mcp: server prints to stdout what is no message → ignored', async () => {
    const { manager } = manage({ odd: oddServer('chatty') });
    expect(await namesOf(manager)).toEqual(['odd__look', 'odd__act']);
  });
});

describe('the manager', () => {
  it('mcp: server ignores the end of stdin and SIGTERM, and has children → none is left after close()', async () => {
    const { manager } = manage({ stubborn: oddServer('stubborn'), good: oddServer('good') });
    await namesOf(manager);
    const pids = manager.status().map(({ pid }) => pid ?? 0);
    expect(pids.every(groupAlive)).toBe(true);
    await manager.close();
    await until(() => !pids.some(groupAlive), 1_000);
  });

  it('mcp: worker killed with -9 → no MCP server is left, not even one that ignores SIGTERM', async () => {
    const worker = spawn(
      process.execPath,
      [fileURLToPath(import.meta.resolve('tsx/cli')), KILLED_WORKER, temporaryFolder()],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = (await once(createInterface({ input: worker.stdout }), 'line')) as [string];
    const { self, servers } = JSON.parse(line) as { self: number; servers: number[] };
    expect(servers.every(groupAlive)).toBe(true);
    process.kill(self, 'SIGKILL');
    await until(() => !servers.some(groupAlive));
  });

  it('mcp: closed while a server still hangs at its start → at once, no process is left', async () => {
    const { manager } = manage({ bad: oddServer('hangs-at-connect') });
    const listing = namesOf(manager);
    const started = performance.now();
    await manager.close();
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(await listing).toEqual([]);
  });

  it('mcp: server added and removed while running → its tools come and go, its process ends', async () => {
    const { manager, call } = manage({});
    expect(await namesOf(manager)).toEqual([]);
    manager.add('late', oddServer('good'));
    expect(await namesOf(manager)).toEqual(['late__look', 'late__act']);
    const pid = pidOf(manager);
    expect(await manager.remove('late')).toBe(true);
    await until(() => !groupAlive(pid), 1_000);
    expect(await namesOf(manager)).toEqual([]);
    expect((await call('late__look')).failure?.type).toBe('Tool.Unknown');
    expect(await manager.remove('late')).toBe(false);
  });

  it('S10 mcp: a server that nobody declared → contributes nothing, and is logged', async () => {
    const { manager, log } = manage({});
    expect(await manager.tools(['ghost'])).toEqual([]);
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { server: 'ghost' } }]);
    await expect(manager.accept('ghost')).rejects.toThrow(/no MCP server named "ghost"/);
  });

  it.each([
    ['a__b', { command: 'x' }, /without "__"/],
    ['a', {} as { command: string }, /either "command"/],
    ['a', { command: 'x', url: 'http://x' }, /either "command"/],
    ['a', { url: 'file:///etc/passwd' }, /use http:\/\//],
    ['a', { command: 'x', deadlines: { callMs: 0 } }, /deadlines\.callMs 0/],
  ])('S10 mcp: declaration %s %j → refused with what is wrong', (name, server, message) => {
    expect(() => manage({ [name]: server })).toThrow(message);
  });
});
