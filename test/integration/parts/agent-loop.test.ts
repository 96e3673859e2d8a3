/** Loops of an application's own, over the parts of `perdura/workflow`. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { WorkflowBundleOption } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tool } from '../../../src/contracts/define-tool.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { buildBundle } from '../../../worker/bundle.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';

const add = tool({
  name: 'add',
  description: 'Adds two numbers.',
  parameters: z.object({ a: z.number(), b: z.number() }),
  effect: 'read',
  run: 'local',
  execute: ({ a, b }) => a + b,
});
const far = tool({ name: 'far', description: 'Runs elsewhere.', execute: () => 'from afar' });
const approve = tool({ name: 'approve', description: 'Asks.', run: 'workflow' });

describe('agent loops of one’s own', () => {
  let h: Harness;
  let workflowBundle: WorkflowBundleOption;
  beforeAll(async () => {
    const path = fileURLToPath(new URL('../../fixtures/loop-workflows.ts', import.meta.url));
    workflowBundle = await buildBundle(path);
    h = await Harness.start({ tools: [add, far, approve], workflowBundle });
  }, 60_000);
  afterAll(() => h.stop());

  const start = (workflow: string, ...args: unknown[]) =>
    h.runtime.temporal.workflow.start(workflow, {
      workflowId: `${workflow}-${randomUUID()}`,
      taskQueue: h.taskQueue,
      args,
    });
  const historyOf = async (workflowId: string) => {
    const history = await h.runtime.temporal.workflow.getHandle(workflowId).fetchHistory();
    await replayHistory(history, { workflowBundle, workflowId });
    return history.events!;
  };

  it('loop: two turns over one transcript → the second knows the first, and the history replays', async () => {
    h.model.enqueue({ toolCalls: [{ name: 'far' }] }, 'one', 'two');
    const handle = await start('loopTurns', h.tenant, ['first', 'second']);
    expect(await handle.result()).toEqual(['one', 'two']);
    expect(h.model.requests.at(-1)!.messages.map(({ text }) => text)).toEqual([
      'first',
      '',
      'from afar',
      'one',
      'second',
    ]);
    await historyOf(handle.workflowId);
    expect(await h.runtime.sessions()).toEqual([]);
  });

  it('loop: a late turn → adds as many bytes to the history as an early one', async () => {
    const words = 'word '.repeat(150);
    for (let i = 0; i < 24; i++) h.model.enqueue(words);
    const messages = Array.from({ length: 24 }, (_, i) => `message ${i}`);
    const handle = await start('loopTurns', h.tenant, messages);
    await handle.result();
    const events = await historyOf(handle.workflowId);
    const bytes = events
      .filter(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled)
      .map((event) => JSON.stringify(event).length);
    expect(bytes.at(-1)! / bytes[2]!).toBeLessThan(1.1);
  });

  it('steps: one model call and its tools at a time → the same transcript', async () => {
    h.model.enqueue(
      { toolCalls: [{ name: 'far' }, { name: 'add', arguments: { a: 1, b: 2 } }] },
      'done',
    );
    const handle = await start('loopSteps', h.tenant, 'go');
    expect(await handle.result()).toEqual({
      text: 'done',
      results: ['from afar', '3'],
      roles: ['user', 'assistant', 'tool', 'tool', 'assistant'],
    });
    await historyOf(handle.workflowId);
  });

  it('tools: one by itself, one that the workflow runs → their results', async () => {
    h.model.enqueue({ toolCalls: [{ name: 'approve', arguments: { what: 'x' } }] }, 'approved');
    const handle = await start('loopTools', h.tenant);
    expect(await handle.result()).toEqual({ direct: '5', text: 'approved' });
    expect(h.model.requests.at(-1)!.messages.at(-1)!.text).toBe(
      '{"approved":true,"args":{"what":"x"}}',
    );
    await historyOf(handle.workflowId);
  });

  it('a long answer → comes whole; a transcript carried over continue-as-new → goes on', async () => {
    const long = 'long '.repeat(1_000).trim();
    h.model.enqueue('short', long);
    const handle = await start('loopCarried', h.tenant);
    expect(await handle.result()).toBe(long);
    expect(h.model.requests.at(-1)!.messages.map(({ text }) => text)).toEqual([
      'first',
      'short',
      'second',
    ]);
  });

  it('loop: a turn fails in the middle of an activity → what it has done is kept, with its cost', async () => {
    const usage = { input: 100, output: 10 };
    const adding = { toolCalls: [{ name: 'add', arguments: { a: 1, b: 2 } }], usage };
    h.model.enqueue(adding, { error: { status: 400, message: 'no' } }, { text: 'well', usage });
    const handle = await start('loopFailing', h.tenant);
    expect(await handle.result()).toEqual(['Model.BadRequest', 'well', '200 tokens']);
    expect(h.model.requests.at(-1)!.messages.map(({ text }) => text)).toEqual([
      'go',
      '',
      '3',
      'again',
    ]);
    await historyOf(handle.workflowId);
  });

  it('limits: of the loop’s own → the turn fails with its type', async () => {
    const call = { toolCalls: [{ name: 'far' }] };
    h.model.enqueue(call, call);
    expect(await (await start('loopLimited', h.tenant)).result()).toBe('Turn.StepLimit');
  });

  it('cancel: while the model speaks → its connection is closed, the workflow is cancelled', async () => {
    const before = h.model.requests.length;
    const closed = h.model.closedEarly.length;
    h.model.enqueue({ text: 'A long story. '.repeat(200), chunkDelayMs: 100 });
    const handle = await start('loopTurns', h.tenant, ['tell']);
    await eventually(() => h.model.requests.length > before);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow(/cancelled/i);
    expect(h.model.closedEarly.length).toBe(closed + 1);
  });

  it.each([
    ['Not A Tenant', 'Request.Invalid'],
    ['nobody', 'Agent.Unknown'],
  ])(
    'loop: for the tenant "%s", with an agent that is none → fails with %s',
    async (tenant, type) => {
      const handle = await start('loopUnknown', tenant);
      await expect(handle.result()).rejects.toMatchObject({ cause: { type } });
    },
  );
});
