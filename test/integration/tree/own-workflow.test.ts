/** Sub-agents of an agent in a workflow of one's own: children of that workflow. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { WorkflowBundleOption } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayHistory } from '../../../src/testing/replay.js';
import { buildBundle } from '../../../worker/bundle.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';
import { agentNamed, by, told } from '../../support/tree.js';

describe('sub-agents in a workflow of one’s own', () => {
  let h: Harness;
  let workflowBundle: WorkflowBundleOption;
  beforeAll(async () => {
    const path = fileURLToPath(new URL('../../fixtures/loop-workflows.ts', import.meta.url));
    workflowBundle = await buildBundle(path);
    h = await Harness.start({
      workflowBundle,
      agents: [agentNamed('lead', { agents: [{ agent: 'helper' }] }), agentNamed('helper')],
    });
  }, 60_000);
  afterAll(() => h.stop());

  const tasks = (...all: string[]) => ({
    toolCalls: all.map((task) => ({ name: 'helper', arguments: { task } })),
  });

  it('own workflow: two tasks of one answer, one fails → both results; its history replays', async () => {
    h.model.reply(by('lead'), (r) =>
      told(r).length > 0 ? `told: ${told(r).join(' | ')}` : tasks('good', 'bad'),
    );
    h.model.reply('good', 'well done');
    h.model.reply('bad', { error: { status: 400, message: 'no' } });
    const workflowId = `delegating-${randomUUID()}`;
    const handle = await h.runtime.temporal.workflow.start('delegating', {
      workflowId,
      taskQueue: h.taskQueue,
      args: [h.tenant, 'lead', 'go'],
    });
    expect(await handle.result()).toMatch(/^told: well done \| .*no/);
    const sessions = await h.runtime.sessions();
    expect(sessions.map(({ agent, parent, root }) => [agent, parent, root])).toEqual(
      Array.from({ length: 2 }, () => [
        'helper',
        `execution/${workflowId}`,
        `execution/${workflowId}`,
      ]),
    );
    await eventually(async () =>
      (await h.runtime.sessions()).every(({ state }) => state === 'terminated'),
    );
    await replayHistory(await handle.fetchHistory(), { workflowBundle, workflowId });
  });
});
