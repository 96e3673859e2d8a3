/** The context of a session from its start to its tools, pins, and what the model would be shown. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ContextManager } from '../../../src/context/context-manager.js';
import { SESSION_WORKFLOW, workflowIdOf } from '../../../src/contracts/ids.js';
import { tool } from '../../../src/contracts/define-tool.js';
import type { RuntimeSessionContext } from '../../../src/contracts/runtime-context.js';
import { replayHistory } from '../../../src/testing/replay.js';
import { previewSession } from '../../../worker/preview.js';
import { Harness } from '../../support/harness.js';
import { eventually, runsOf } from '../../support/observe.js';

const seen: RuntimeSessionContext[] = [];
const spy = (name: string, run: 'local' | 'activity') =>
  tool({
    name,
    description: 'Looks at its context.',
    effect: 'read',
    run,
    execute: (_: unknown, { runtime }) => {
      seen.push(runtime);
      return 'seen';
    },
  });
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

let h: Harness;
beforeAll(async () => {
  h = await Harness.start({
    agent: { showContext: ['user.name', 'metadata.language'], contextWindow: 3_000 },
    tools: [spy('near', 'local'), spy('far', 'activity')],
    settings: { historyLimit: 60 },
  });
});
afterAll(() => h?.stop());

const context = {
  organisation: { id: 'acme', name: 'Acme' },
  user: { id: 'u-7', name: 'Alice' },
  metadata: { language: 'de', plan: 'pro-secret' },
};

describe('the context of a session', () => {
  it('C1 context: given at the start → in each tool, over continue-as-new; the model sees what is listed', async () => {
    const session = await h.runtime.start({ context });
    for (let turn = 0; turn < 8; turn++) {
      const name = turn % 2 === 0 ? 'near' : 'far';
      h.model.enqueue({ toolCalls: [{ name, arguments: {} }] }, `Turn ${turn}.`);
      await session.ask(`turn ${turn}`);
      expect(seen.at(-1)).toMatchObject({
        ...context,
        session: { id: session.id, tenant: h.tenant },
        agent: { name: 'assistant', temperature: 0.7, metadata: {} },
        tools: ['read_artifact', 'near', 'far'],
      });
      const { system, body } = h.model.requests.at(-1)!;
      expect(system).toContain('- user.name: "Alice"\n- metadata.language: "de"');
      expect(JSON.stringify(body)).not.toMatch(/pro-secret|u-7|Acme/);
    }
    expect((await runsOf(h, session.workflowId)).length).toBeGreaterThan(1);
    expect(await session.context()).toEqual(context);
    const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
    await replayHistory(await handle.fetchHistory(), { workflowId: session.workflowId });
  });

  it('context: by hand in the input → checked; with a mistake in it the session runs without, and says so', async () => {
    const start = async (given: unknown) => {
      const key = { tenant: h.tenant, session: `by-hand-${randomUUID()}` };
      await h.runtime.temporal.workflow.start(SESSION_WORKFLOW, {
        workflowId: workflowIdOf(key),
        taskQueue: h.taskQueue,
        args: [{ agent: 'assistant', context: given }],
      });
      const session = h.runtime.session(key.session);
      await eventually(() => session.record());
      return session;
    };
    expect(await (await start({ user: 'bob' })).context()).toEqual({ user: { id: 'bob' } });
    const wrong = await start({ user: 'bob\ud800' });
    expect(await wrong.context()).toBeUndefined();
    h.model.enqueue('Hello.');
    await wrong.ask('hi');
    expect(h.model.requests.at(-1)!.system).not.toContain('bob');
  });

  it('context: wrong at start → Request.Invalid, and no session', async () => {
    const started = h.runtime.start({ session: 'not-there', context: { user: '' } });
    await expect(started).rejects.toMatchObject({ type: 'Request.Invalid' });
    expect(await h.runtime.session('not-there').record()).toBeUndefined();
  });

  it('context: a session of another user → refused; taken without a user → still the first one’s', async () => {
    const name = `owned-${randomUUID()}`;
    h.model.enqueue('Hello.', 'Still here.');
    await (await h.runtime.start({ session: name, context: { user: 'alice' } })).ask('hi');
    const other = h.runtime.start({ session: name, context: { user: 'mallory' } });
    await expect(other).rejects.toThrow(/belongs to another user/);
    const again = await h.runtime.start({ session: name });
    await again.ask('again');
    expect((await again.context())?.user?.id).toBe('alice');
  });

  it('context: a session whose workflow is lost → its user is there when a message starts it again', async () => {
    const session = await h.runtime.start({ context: { user: 'carol' } });
    h.model.enqueue('Hello.', { toolCalls: [{ name: 'near', arguments: {} }] }, 'Back.');
    await session.ask('hi');
    const { temporal } = h.runtime;
    // As Temporal's server without memory does when it is started again.
    await temporal.workflow.getHandle(session.workflowId).terminate('lost');
    const revived = temporal.workflow.start(SESSION_WORKFLOW, {
      workflowId: session.workflowId,
      taskQueue: h.taskQueue,
      args: [{ agent: 'assistant', context: { user: 'mallory' } }],
    });
    await revived;
    await session.ask('are you there?');
    // The first context stands, whoever starts the workflow again.
    expect(seen.at(-1)?.user?.id).toBe('carol');
  });
});

describe('what the model sees', () => {
  const preview = (session: string, message?: string) =>
    previewSession({
      config: { agents: [h.agent()], tools: [spy('near', 'local')], mcp: {}, providers: {} },
      databaseUrl: inject('databaseUrl'),
      tenant: h.tenant,
      session,
      ...(message === undefined ? {} : { message }),
      log: SILENT,
    });

  it('H3 context: asked beforehand → the messages and instructions that the next call then has', async () => {
    const session = await h.runtime.start({ context });
    h.model.enqueue('One.', 'Two.');
    await session.ask('first');
    const { messages, instructions, tools, view } = await preview(session.id, 'second');
    expect(view.entries.map(({ shown }) => shown)).toEqual(['whole', 'whole', 'whole']);
    await session.ask('second');
    const request = h.model.requests.at(-1)!;
    expect(messages.map((message) => ('text' in message ? message.text : ''))).toEqual(
      request.messages.map(({ text }) => text),
    );
    expect(instructions).toBe(request.system);
    expect(tools.map(({ name }) => name)).toContain('near');
    await expect(preview('not-there')).rejects.toMatchObject({ type: 'Session.NotFound' });
  });

  it('H3 context: of an agent that plans → its instructions and the tool that makes plans', async () => {
    const planning = await Harness.start({
      agent: { planner: true },
      tools: [spy('near', 'local')],
    });
    try {
      const session = await planning.runtime.start();
      planning.model.enqueue('One.', 'Two.');
      await session.ask('first');
      const { instructions, tools } = await previewSession({
        config: {
          agents: [planning.agent()],
          tools: [spy('near', 'local')],
          mcp: {},
          providers: {},
        },
        databaseUrl: inject('databaseUrl'),
        tenant: planning.tenant,
        session: session.id,
        message: 'second',
        log: SILENT,
      });
      await session.ask('second');
      const request = planning.model.requests.at(-1)!;
      expect(tools.map(({ name }) => name)).toEqual(request.tools.map(({ name }) => name));
      expect(instructions).toBe(request.system);
    } finally {
      await planning.stop();
    }
  });

  it('H3 pin: a message that a summary covers → still shown, to a worker that has it in its cache and to one that has not', async () => {
    const session = await h.runtime.start();
    h.model.reply(/^fill/, ({ lastUserText }) => `noted ${lastUserText.length}`);
    h.model.reply(/Write the summary/, 'A summary of the filling.');
    await session.ask('fill the rule is: never sail on Friday');
    const [rule] = await session.transcript();
    await session.pin(rule!.seq);
    const long = 'x'.repeat(2_000);
    for (let i = 0; i < 8; i++) await session.ask(`fill ${i} ${long}`);
    const summarised = await session.transcript();
    expect(summarised.some(({ message }) => message.role === 'summary')).toBe(true);
    const shown = () =>
      h.model.requests
        .at(-1)!
        .messages.map(({ text }) => text)
        .join('\n');
    expect(shown()).toContain('A summary of the filling.');
    expect(shown()).toContain('never sail on Friday');
    expect(shown()).not.toContain('fill 0 ');

    const { view } = await preview(session.id);
    const entry = view.entries.find(({ seq }) => seq === rule!.seq);
    expect(entry).toMatchObject({ shown: 'whole', pinned: true });
    expect(view.entries.some((each) => each.shown === 'summarised')).toBe(true);

    // A worker without a cache reads from the summary on, and what is pinned.
    await h.stopWorker();
    await h.startWorker();
    await session.ask('fill in on another worker');
    expect(shown()).toContain('never sail on Friday');

    const manager = new ContextManager({ ...h.agent(), tools: [] });
    const transcript = await manager.load(session);
    await manager.save(session, manager.pin(transcript, rule!.seq, false));
    await session.ask('fill in without it');
    expect(shown()).not.toContain('never sail on Friday');
    await expect(session.pin(1e9)).rejects.toMatchObject({ type: 'Request.Invalid' });
    for (const seq of [NaN, -1, 0, 1e20]) {
      await expect(session.pin(seq)).rejects.toMatchObject({ type: 'Request.Invalid' });
    }
  });
});
