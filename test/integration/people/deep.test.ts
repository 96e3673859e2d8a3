/**
 * An approval that is asked for three levels deep: over a kill of the workers, a new run of the
 * workflow and a deployment of new code between the request and its decision.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import type { AgentRuntime } from '../../../src/client/agent-runtime.js';
import type { Session } from '../../../src/client/session.js';
import { migrate } from '../../../src/store/migrate.js';
import { Ledger } from '../../../src/testing/ledger.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import { Deployments } from '../../support/deployments.js';
import { eventually } from '../../support/eventually.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { allEnded, by, replayTree, told } from '../../support/tree.js';
import { WorkerProcesses } from '../../support/worker-process.js';

const FILES = ['a', 'b', 'c', 'd'];

/** Each agent passes the task on; the lowest wants to write four files. */
function script(model: ScriptedModel): void {
  for (const [agent, to] of [
    ['top', 'middle'],
    ['middle', 'leaf'],
  ] as const) {
    model.reply(by(agent), (r) =>
      told(r).length > 0
        ? told(r).join()
        : { toolCalls: [{ name: to, arguments: { task: r.lastUserText } }] },
    );
  }
  model.reply(by('leaf'), (r) =>
    told(r).length > 0
      ? told(r).join(' | ')
      : {
          toolCalls: FILES.map((path) => ({
            name: 'file_write',
            arguments: { path, text: 'hello' },
          })),
        },
  );
}

const requestsBelow = (runtime: AgentRuntime, session: Session) =>
  eventually(
    () => runtime.inbox.list({ below: session.id }),
    ({ length }) => length === FILES.length,
  );

describe('a deep approval, and workers that are killed', () => {
  let model: ScriptedModel;
  let ledger: Ledger;
  let processes: WorkerProcesses | undefined;
  let runtime: AgentRuntime;

  beforeAll(async () => {
    await migrate(inject('databaseUrl'));
    model = await ScriptedModel.start();
    script(model);
    ledger = await Ledger.start(join(temporaryFolder(), 'ledger.jsonl'));
    processes = await WorkerProcesses.start({
      modelUrl: model.baseUrl,
      ledgerUrl: ledger.url,
      taskQueue: `pe${randomBytes(5).toString('hex')}`,
      config: 'people.config.ts',
    });
    ({ runtime } = processes);
  }, 120_000);
  afterAll(async () => {
    await processes?.stop();
    await ledger?.stop();
    await model?.stop();
  });

  it('P6 F4 approval: three levels deep, all workers killed before and at the decisions → each file written once, as decided', async () => {
    const session = await runtime.start({ agent: 'top', context: { user: 'alice' } });
    const answer = session.ask('write them');
    const requests = await requestsBelow(runtime, session);
    expect(requests[0]!.path).toHaveLength(3);
    expect(requests[0]!.path[0]).toBe(session.id);
    // It is the wish of the user of the whole tree.
    expect(requests.map(({ requesters }) => requesters)).toEqual(
      FILES.map(() => expect.arrayContaining(['alice']) as unknown),
    );
    const killAll = () => processes!.workers.map((worker) => worker.kill('SIGKILL'));
    killAll();
    // At the first effect once more: its result is not written.
    const stop = ledger.onEntry(() => {
      stop();
      killAll();
    });
    const [a, b, c, d] = FILES.map((path) =>
      requests.find((each) => each.arguments.includes(`"${path}"`)),
    );
    await runtime.inbox.approve(b!.id, { by: 'bob', edit: { path: 'b', text: 'edited' } });
    await runtime.inbox.decline(c!.id, { by: 'bob', reason: 'not this one' });
    await Promise.all([a, d].map((each) => runtime.inbox.approve(each!.id, { by: 'bob' })));
    const { text } = await answer;
    expect(text).toMatch(/written a \|.*this ran.*written b \|.*not this one.* \| written d/s);
    expect(ledger.doubled()).toEqual([]);
    const effects = ledger.entries.filter(({ effect }) => effect).map(({ label }) => label);
    expect(effects.sort()).toEqual(['a: hello', 'b: edited', 'd: hello']);
    await allEnded({ runtime }, session);
    expect(await replayTree({ runtime }, session)).toBeGreaterThanOrEqual(3);
    expect(await runtime.inbox.list({ below: session.id })).toEqual([]);
  }, 180_000);
});

describe('a deep approval, and deployments', () => {
  let deployments: Deployments;
  const written: unknown[] = [];
  const version = (words: string) => ({
    agents: [
      { name: 'top', instructions: `top ${words}`, tools: [], agents: ['middle'] },
      { name: 'middle', instructions: `middle ${words}`, tools: [], agents: ['leaf'] },
      { name: 'leaf', instructions: `leaf ${words}`, tools: ['file_write'] },
    ],
    tools: [
      tool({
        name: 'file_write',
        description: `Writes a file. ${words}`,
        parameters: {
          type: 'object',
          properties: { path: { type: 'string' }, text: { type: 'string' } },
        },
        execute: (args) => {
          written.push({ ...args, by: words });
          return `written ${String(args.path)}`;
        },
      }),
    ],
    settings: { historyLimit: 40 },
  });

  beforeAll(async () => {
    deployments = await Deployments.start(version('old'));
    script(deployments.model);
  });
  afterAll(() => deployments.stop());

  it('P6 F4 approval: its session continues as new and new code is deployed while it waits → nothing is asked twice, what was approved runs', async () => {
    const { runtime } = deployments;
    const session = await runtime.start({ agent: 'top' });
    const answer = session.ask('write them');
    const requests = await requestsBelow(runtime, session);
    const leaf = runtime.session(requests[0]!.session);
    await runtime.inbox.approve(requests[0]!.id, { by: 'bob' });
    await eventually(
      () => Promise.resolve(written),
      ({ length }) => length === 1,
    );
    // Enough events for a new run, of signals that mean nothing.
    const handle = runtime.temporal.workflow.getHandle(leaf.workflowId);
    for (let i = 0; i < 150; i++) {
      await Promise.all(Array.from({ length: 5 }, () => handle.signal('decided', 'c1.0')));
    }
    await eventually(
      () => leaf.status(),
      ({ runs }) => runs > 1,
    );
    await deployments.deploy(version('new'));
    expect(await runtime.inbox.list({ below: session.id })).toHaveLength(FILES.length - 1);
    for (const { id } of requests.slice(1)) await runtime.inbox.approve(id, { by: 'bob' });
    await answer;
    const order = (all: readonly unknown[]) => all.map((each) => JSON.stringify(each)).sort();
    expect(order(written)).toEqual(
      order(FILES.map((path, i) => ({ path, text: 'hello', by: i === 0 ? 'old' : 'new' }))),
    );
    await allEnded({ runtime }, session);
    expect(await replayTree({ runtime }, session)).toBeGreaterThanOrEqual(4);
    expect(await runtime.inbox.list({ below: session.id, state: 'all' })).toHaveLength(4);
  }, 120_000);
});
