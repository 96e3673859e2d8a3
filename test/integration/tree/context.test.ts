/** For whom a sub-agent works: the user and the organisation of the session above it. */
import { randomBytes, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { WorkflowBundleOption } from '@temporalio/worker';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { AgentRuntime } from '../../../src/client/agent-runtime.js';
import type { Session } from '../../../src/client/session.js';
import { tool } from '../../../src/contracts/define-tool.js';
import type { RuntimeSessionContext } from '../../../src/contracts/runtime-context.js';
import { migrate } from '../../../src/store/migrate.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { ScriptedModel } from '../../../src/testing/scripted-model.js';
import type { SeenRequest } from '../../../src/testing/seen-request.js';
import { buildBundle } from '../../../worker/bundle.js';
import { schemaTablesHolding } from '../../support/canary.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';
import { agentNamed, allEnded, below, by, replayTree, told } from '../../support/tree.js';
import { WorkerProcesses } from '../../support/worker-process.js';

const remember = (key: string, text: string) => ({
  toolCalls: [{ name: 'remember', arguments: { key, text } }],
});
/** A helper keeps what it is given under a key of its own, or looks for it. */
function help(r: SeenRequest) {
  if (told(r).length > 0) return `helped: ${told(r).join(' | ')}`;
  const [, query] = /recall (\S+)/.exec(r.lastUserText) ?? [];
  if (query === undefined) return remember(r.lastUserText.slice(0, 60), r.lastUserText);
  return { toolCalls: [{ name: 'recall', arguments: { query } }] };
}

describe('the context of sub-agents', () => {
  let h: Harness;
  let workflowBundle: WorkflowBundleOption;
  let database: pg.Client;
  const seen: RuntimeSessionContext[] = [];
  const memory = { scope: 'user', recallAtStart: 0 } as const;
  const text = { type: 'object', properties: { text: { type: 'string' } } } as const;

  beforeAll(async () => {
    const path = fileURLToPath(new URL('../../fixtures/loop-workflows.ts', import.meta.url));
    workflowBundle = await buildBundle(path);
    h = await Harness.start({
      workflowBundle,
      agents: [
        agentNamed('lead', {
          tools: ['ask'],
          memory,
          agents: [
            { agent: 'helper' },
            { agent: 'middle' },
            { agent: 'helper', name: 'background', detached: true },
          ],
        }),
        agentNamed('middle', { agents: [{ agent: 'helper' }] }),
        agentNamed('helper', { tools: ['look'], memory }),
      ],
      tools: [
        tool({
          name: 'ask',
          description: 'Asks the helper.',
          effect: 'keyed',
          parameters: text,
          execute: async ({ text: task }, { runAgent }) =>
            (await runAgent({ agent: 'helper', task: String(task) })).text,
        }),
        tool({
          name: 'look',
          description: 'Looks at its context.',
          effect: 'read',
          execute: (_: unknown, { runtime }) => {
            seen.push(runtime);
            return 'looked';
          },
        }),
      ],
    });
    h.model.reply(by('lead'), (r) => {
      if (told(r).length > 0) return `told: ${told(r).join(' | ')}`;
      if (r.lastUserText === 'own') return remember('own', 'By the lead itself.');
      if (r.lastUserText === 'delegate') {
        return { toolCalls: [{ name: 'helper', arguments: { task: 'By a sub-agent.' } }] };
      }
      const [name, ...task] = r.lastUserText.split(' ');
      if (!['helper', 'middle', 'background', 'ask'].includes(name!)) return 'I see.';
      return { toolCalls: [{ name: name!, arguments: argumentsOf(name!, task.join(' ')) }] };
    });
    h.model.reply(by('middle'), (r) =>
      told(r).length > 0
        ? told(r)[0]!
        : { toolCalls: [{ name: 'helper', arguments: { task: r.lastUserText } }] },
    );
    h.model.reply(
      (r) => by('helper')(r) && r.lastUserText === 'look',
      (r) => (told(r).length > 0 ? 'looked' : { toolCalls: [{ name: 'look', arguments: {} }] }),
    );
    h.model.reply(by('helper'), help);
    database = new pg.Client({ connectionString: inject('databaseUrl') });
    await database.connect();
  }, 60_000);
  afterAll(async () => {
    await database?.end();
    await h?.stop();
  });

  const argumentsOf = (name: string, task: string) => (name === 'ask' ? { text: task } : { task });
  const entriesOf = async (user: string) =>
    (await h.runtime.memory.list({ user, limit: 100 })).map(({ key }) => key);

  it('C1 context: a sub-agent → the user, organisation and metadata of its parent, the agent is its own', async () => {
    const context = {
      organisation: { id: 'acme', name: 'Acme' },
      user: { id: 'u-1', name: 'Alice' },
      metadata: { language: 'de' },
    };
    const session = await h.runtime.start({ agent: 'lead', context });
    await session.ask('helper look');
    await session.ask('middle look');
    await session.ask('ask look');
    expect(seen).toHaveLength(3);
    for (const runtime of seen) {
      expect(runtime).toMatchObject({ ...context, agent: { name: 'helper' } });
      expect(runtime.session.id).toMatch(/^helper-/);
    }
    await allEnded(h, session);
    for (const { session: child } of await below(h, session)) {
      expect(await h.runtime.session(child).context()).toEqual(context);
    }
    expect(await replayTree(h, session)).toBe(5);
  });

  it('M9 memory: what sub-agents remember, also detached ones → the user’s; others find nothing; erased', async () => {
    const canary = `canary${randomUUID().replaceAll('-', '')}`;
    const session = await h.runtime.start({
      agent: 'lead',
      context: { user: { id: 'alice', name: canary } },
    });
    const ways = ['helper', 'middle', 'ask', 'background'];
    for (const way of ways) await session.ask(`${way} ${canary} by ${way}`);
    // A detached one may not be in the catalogue yet; the one between has one below it.
    await eventually(async () => (await below(h, session)).length === ways.length + 1);
    await allEnded(h, session);
    expect((await entriesOf('alice')).sort()).toEqual(
      ways.map((way) => `${canary} by ${way}`.slice(0, 60)).sort(),
    );
    const recalled = async (user: string) => {
      const other = await h.runtime.start({ agent: 'lead', context: { user } });
      return (await other.ask(`helper recall ${canary}`)).text;
    };
    expect(await recalled('alice')).toContain(`${canary} by background`);
    expect(await recalled('bob')).toContain('Nothing is remembered');
    const nobody = await h.runtime.start({ agent: 'lead' });
    expect((await nobody.ask(`helper recall ${canary}`)).text).toMatch(/has no user/);

    expect(await schemaTablesHolding(database, canary)).toContain('memories');
    const erased = await h.runtime.memory.erase({ user: 'alice' });
    // Two sessions of the lead and what was below them.
    expect(erased).toMatchObject({ entries: ways.length, sessions: 2 + 5 + 1 });
    // Bob and nobody have spoken of it, too.
    await h.runtime.memory.erase({ user: 'bob' });
    const left = await database.query<{ session: string }>(
      `select session from perdura.messages m join perdura.transcripts t using (tenant, transcript)
        where m.body::text like $1`,
      [`%${canary}%`],
    );
    const ofNobody = [nobody.id, ...(await below(h, nobody)).map((each) => each.session)];
    expect(left.rows.filter(({ session: name }) => !ofNobody.includes(name))).toEqual([]);
    expect(await schemaTablesHolding(database, canary)).not.toContain('memories');
    expect(await schemaTablesHolding(database, canary)).not.toContain('session_contexts');
  });

  it('context: a child that starts after an erasure → brings nothing back', async () => {
    const canary = `canary${randomUUID().replaceAll('-', '')}`;
    const session = await h.runtime.start({
      agent: 'lead',
      context: { user: { id: 'erin', name: canary }, metadata: { note: canary } },
    });
    await session.ask('hello');
    await h.runtime.memory.erase({ user: 'erin' });
    await session.ask('helper look');
    const [child] = await below(h, session);
    expect(await h.runtime.session(child!.session).context()).toEqual({ user: { id: 'erin' } });
    expect(await schemaTablesHolding(database, canary)).toEqual([]);
  });

  it('context: a workflow of one’s own → its agents, their sub-agents, tools and sessions have it', async () => {
    const workflowId = `for-${randomUUID()}`;
    const handle = await h.runtime.temporal.workflow.start('delegatingFor', {
      workflowId,
      taskQueue: h.taskQueue,
      args: [h.tenant, 'lead', { user: 'wilma' }],
    });
    const said = (await handle.result()) as string[];
    expect(said.join('\n')).not.toMatch(/has no user/);
    expect((await entriesOf('wilma')).sort()).toEqual([
      'By a sub-agent.',
      'own',
      'session',
      'tool',
    ]);
    await replayHistory(await handle.fetchHistory(), { workflowBundle, workflowId });
    // The transcript of the workflow is one of the user's, as the sessions are.
    expect(await h.runtime.memory.erase({ user: 'wilma' })).toMatchObject({ sessions: 3 });
    const wrong = await h.runtime.temporal.workflow.start('delegatingFor', {
      workflowId: `${workflowId}-wrong`,
      taskQueue: h.taskQueue,
      args: [h.tenant, 'lead', { user: 7 }],
    });
    await expect(wrong.result()).rejects.toMatchObject({ cause: { type: 'Request.Invalid' } });
  });
});

describe('the context of sub-agents under kills', () => {
  const name = `fc${randomBytes(5).toString('hex')}`;
  const ROUNDS = 4;
  const TASKS = 3;
  const KILLS = 4;
  let model: ScriptedModel;
  let runtime: AgentRuntime;
  let processes: WorkerProcesses | undefined;
  let requests = 0;
  let kills = 0;

  const kill = () => {
    requests += 1;
    if (kills >= KILLS || requests < (kills + 1) * 10) return;
    const alive = processes!.workers.filter((worker) => worker.isReady);
    const victim = alive[kills % alive.length];
    if (!victim) return;
    kills += 1;
    victim.kill('SIGKILL');
  };

  beforeAll(async () => {
    await migrate(inject('databaseUrl'));
    model = await ScriptedModel.start();
    model.reply(by('lead'), (r) => {
      kill();
      const [, way, round] = /^(helper|background) (\d+)$/.exec(r.lastUserText) ?? [];
      if (way === undefined || told(r).length > 0) return 'done';
      const tasks = Array.from({ length: TASKS }, (_, i) => `${way} ${round}.${i}`);
      return { toolCalls: tasks.map((task) => ({ name: way, arguments: { task } })) };
    });
    model.reply(by('helper'), (r) => {
      // Some die before the answer comes, some in the middle of the write that follows it.
      if (requests % 2 === 0) kill();
      else setTimeout(kill, requests % 7);
      return help(r);
    });
    processes = await WorkerProcesses.start({
      modelUrl: model.baseUrl,
      taskQueue: name,
      config: 'family.config.ts',
    });
    ({ runtime } = processes);
  });
  afterAll(async () => {
    await processes?.stop();
    await model?.stop();
  });

  it('M9 memory: sub-agents and detached ones remember while workers die → each fact once, the user’s', async () => {
    const session: Session = await runtime.start({ agent: 'lead', context: { user: 'alice' } });
    const wanted: string[] = [];
    // As long as it takes: a worker that was killed needs a while to be there again.
    for (let round = 0; round < ROUNDS || kills < KILLS; round++) {
      for (const way of ['helper', 'background']) {
        await session.ask(`${way} ${round}`);
        wanted.push(...Array.from({ length: TASKS }, (_, i) => `${way} ${round}.${i}`));
      }
    }
    await eventually(async () => (await below({ runtime }, session)).length === wanted.length);
    await allEnded({ runtime }, session);
    const entries = await runtime.memory.list({ user: 'alice', limit: 100 });
    expect(entries.map(({ text }) => text).sort()).toEqual(wanted.sort());
    expect(kills).toBe(KILLS);
    const children = await below({ runtime }, session);
    expect(children).toHaveLength(wanted.length);
    expect(await eventually(() => replayTree({ runtime }, session))).toBe(1 + children.length);
    expect(await runtime.memory.erase({ user: 'alice' })).toMatchObject({
      entries: wanted.length,
      sessions: 1 + children.length,
    });
  }, 240_000);
});
