/** Loops of an application's own in a pool: they wait in line as sessions do. */
import { randomBytes, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { WorkflowBundleOption } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { buildBundle } from '../../../worker/bundle.js';
import { GatedModel } from '../../support/gated-model.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';

describe('loops of one’s own in a pool of one', () => {
  const name = `p${randomBytes(6).toString('hex')}`;
  const far = tool({ name: 'far', description: 'Runs elsewhere.', execute: () => 'from afar' });
  let h: Harness;
  let gate: GatedModel;
  let workflowBundle: WorkflowBundleOption;
  beforeAll(async () => {
    const path = fileURLToPath(new URL('../../fixtures/loop-workflows.ts', import.meta.url));
    workflowBundle = await buildBundle(path);
    h = await Harness.start({
      agent: { pool: { name } },
      pools: { [name]: { maxAtWork: 1 } },
      tools: [far],
      workflowBundle,
    });
    h.model.reply(
      ({ messages, lastUserText }) => lastUserText === 'go' && messages.at(-1)?.role !== 'tool',
      { toolCalls: [{ name: 'far', arguments: {} }] },
    );
    gate = new GatedModel(h.model);
  }, 120_000);
  afterAll(async () => {
    gate.release();
    await h.stop();
  });

  const start = (workflow: string, ...args: unknown[]) =>
    h.runtime.temporal.workflow.start(workflow, {
      workflowId: `${workflow}-${randomUUID()}`,
      taskQueue: h.taskQueue,
      args,
    });
  const replayed = async (workflowId: string) => {
    const history = await h.runtime.temporal.workflow.getHandle(workflowId).fetchHistory();
    await replayHistory(history, { workflowBundle, workflowId });
  };
  const line = (count: number) =>
    eventually(async () => (await h.runtime.pool(name).status()).waiting === count);

  it('two loops and a session → one at work at a time, each is told of its slot, and their histories replay', async () => {
    const first = await start('loopTurns', h.tenant, ['one', 'two']);
    await gate.atWork('one');
    const second = await start('loopTurns', h.tenant, ['three']);
    await line(1);
    const session = await h.runtime.start({ message: 'four' });
    await line(2);
    gate.answer('one');
    // Its second turn waits behind the others.
    await gate.atWork('three');
    gate.answer('three');
    await gate.atWork('four');
    gate.answer('four');
    await gate.atWork('two');
    gate.answer('two');
    expect(await first.result()).toEqual(['Answer to one', 'Answer to two']);
    expect(await second.result()).toEqual(['Answer to three']);
    expect(gate.most).toBe(1);
    for (const { workflowId } of [first, second, session]) await replayed(workflowId);
  });

  it('single model calls → the slot is free between them; a workflow that is cancelled in line leaves it', async () => {
    const steps = await start('loopSteps', h.tenant, 'go');
    await gate.atWork('go');
    const other = await start('loopTurns', h.tenant, ['never']);
    await line(1);
    await other.cancel();
    await line(0);
    gate.answer('go');
    expect(await steps.result()).toMatchObject({ text: 'Answer to go' });
    await eventually(async () => (await h.runtime.pool(name).status()).atWork === 0);
    for (const { workflowId } of [steps, other]) await replayed(workflowId);
  });
});
