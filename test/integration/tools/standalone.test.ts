/** Tool calls without a session, over the rows of `tool_runs`. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { runToolStandalone } from '../../../activities/parts/run-tool.js';
import { DEFAULT_LIMITS } from '../../../src/contracts/agent.js';
import { tool } from '../../../src/contracts/define-tool.js';
import { PerduraError } from '../../../src/contracts/failures.js';
import type { JsonToolDeclaration, ToolContext, ToolEffect } from '../../../src/contracts/tool.js';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { migrate } from '../../../src/store/migrate.js';
import { openStores } from '../../../src/store/stores.js';
import { ToolRunner } from '../../../src/tools/tool-runner.js';
import { KeptLog } from '../../support/mcp.js';

describe('a tool call without a session', () => {
  let database: Database;
  beforeAll(async () => {
    await migrate(inject('databaseUrl'));
    database = openDatabase(inject('databaseUrl'));
  });
  afterAll(() => database.close());

  /** One call of a tool, which may be tried any number of times. */
  function callOf(declaration: Partial<JsonToolDeclaration>) {
    const keys: string[] = [];
    const made = tool({
      name: 'act',
      description: 'Acts.',
      ...declaration,
      execute: (args: Record<string, unknown>, context: ToolContext) => {
        keys.push(context.idempotencyKey);
        return declaration.execute ? declaration.execute(args, context) : 'done';
      },
    });
    const owner = `x-${randomUUID()}`;
    const stores = openStores(database);
    const attempt = (n: number, stop: { shutdown?: AbortSignal; active?: AbortSignal } = {}) =>
      runToolStandalone(
        { ...stores, runner: new ToolRunner(new KeptLog()) },
        {
          tenant: 'default',
          owner,
          key: 'call-1',
          call: { id: 'call_1', name: 'act', arguments: '{}' },
          agent: 'assistant',
          tools: new Map([['act', made]]),
          limits: DEFAULT_LIMITS,
          attempt: n,
          signal: new AbortController().signal,
          active: new AbortController().signal,
          ...stop,
        },
      );
    return { attempt, keys, owner, artifacts: stores.artifacts };
  }

  const lost = () => {
    throw new PerduraError('Mcp.Unavailable', 'The server is away.');
  };

  it.each(['idempotent', 'keyed', 'once'] as const)(
    'tool call without a session: `%s`, tried again after its end → run once, the same result',
    async (effect) => {
      const { attempt, keys } = callOf({ effect });
      const first = await attempt(1);
      expect(first).toMatchObject({ content: [{ type: 'text', text: 'done' }] });
      expect(await attempt(1)).toEqual(first);
      expect(await attempt(2)).toEqual(first);
      expect(keys).toHaveLength(1);
    },
  );

  it('tool call without a session: of two at the same time → one result', async () => {
    let n = 0;
    const { attempt } = callOf({ effect: 'keyed', execute: () => `run ${++n}` });
    const [a, b] = await Promise.all([attempt(1), attempt(2)]);
    expect(a).toEqual(b);
  });

  const cutOff: [ToolEffect, string | undefined, number][] = [
    ['read', undefined, 2],
    ['keyed', undefined, 2],
    ['once', 'Tool.OutcomeUnknown', 1],
  ];
  it.each(cutOff)(
    'F2 tool call without a session: `%s`, cut off in the tool → failure %s, %i runs, one key',
    async (effect, failure, runs) => {
      let hangs = true;
      const call = callOf({
        effect,
        execute: () => (hangs ? new Promise<never>(() => undefined) : 'done'),
      });
      // Nobody waits for this one any more; it never ends.
      void call.attempt(1).catch(() => undefined);
      await expect.poll(() => call.keys.length).toBe(1);
      hangs = false;
      expect((await call.attempt(2)).failure?.type).toBe(failure);
      expect(call.keys).toHaveLength(runs);
      expect(new Set(call.keys).size).toBe(1);
    },
  );

  it.each([
    ['read', 3],
    ['keyed', 3],
  ] as const)(
    'F1 tool call without a session: `%s`, cut off at every try → Tool.Crashed after %i runs',
    async (effect, runs) => {
      const call = callOf({ effect, execute: () => new Promise<never>(() => undefined) });
      for (let n = 1; n <= runs; n++) {
        void call.attempt(n).catch(() => undefined);
        await expect.poll(() => call.keys.length).toBe(n);
      }
      const { failure } = await call.attempt(runs + 1);
      expect(failure?.type).toBe('Tool.Crashed');
      expect(failure?.message.includes('may have taken effect')).toBe(effect !== 'read');
      expect(call.keys).toHaveLength(runs);
      // And it stays so.
      expect((await call.attempt(9)).failure?.type).toBe('Tool.Crashed');
    },
  );

  it.each(['read', 'keyed'] as const)(
    'F18 tool call without a session: `%s`, its server is away → tried as often as declared, whatever the attempt',
    async (effect) => {
      const call = callOf({ effect, execute: lost });
      // Attempts in between were used up by something else.
      await expect(call.attempt(1)).rejects.toMatchObject({ type: 'Mcp.Unavailable' });
      await expect(call.attempt(7)).rejects.toMatchObject({ type: 'Mcp.Unavailable' });
      expect((await call.attempt(9)).failure?.type).toBe('Mcp.Unavailable');
      expect(call.keys).toHaveLength(3);
    },
  );

  it('F5 tool call without a session: handed over by worker after worker → no try is used up', async () => {
    let hangs = true;
    const call = callOf({
      effect: 'keyed',
      execute: () => (hangs ? new Promise<never>(() => undefined) : 'done'),
    });
    for (let n = 1; n <= 5; n++) {
      const shutdown = new AbortController();
      const running = call.attempt(n, { shutdown: shutdown.signal });
      await expect.poll(() => call.keys.length).toBe(n);
      shutdown.abort(new Error('WORKER_SHUTDOWN'));
      await expect(running).rejects.toThrow('WORKER_SHUTDOWN');
    }
    hangs = false;
    expect((await call.attempt(6)).failure).toBeUndefined();
  });

  it('F19 tool call without a session: long output → an artifact of its owner', async () => {
    const text = `start ${'x'.repeat(40_000)} end`;
    const { attempt, artifacts, owner } = callOf({ effect: 'once', execute: () => text });
    const { artifact, bytes } = await attempt(1);
    expect(bytes).toBe(text.length);
    const { content } = await artifacts.get({ tenant: 'default', session: owner }, artifact!);
    expect(content.toString()).toBe(text);
  });

  it('F25 tool call without a session: the disk of the store refuses its output → told without, not run again', async () => {
    const text = 'x'.repeat(40_000);
    const call = callOf({ effect: 'once', execute: () => text });
    call.artifacts.put = () => Promise.reject(new Error('value too long'));
    const { artifact, content, failure } = await call.attempt(1);
    expect({ artifact, failure }).toEqual({ artifact: undefined, failure: undefined });
    expect(content[0]).toMatchObject({ text: expect.stringContaining('not kept') as string });
    expect(call.keys).toHaveLength(1);
  });
});
