/** What a history shows a reader: the promises of docs/architecture.md, "What a history shows". */
import type { WorkflowExecutionInfo } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { tool } from '../../../src/contracts/define-tool.js';
import { SEARCH_ATTRIBUTES } from '../../../src/contracts/activities.js';
import { HANDLERS, type CarriedState } from '../../../src/contracts/session.js';
import type { Session } from '../../../src/client/session.js';
import { registerSearchAttributes } from '../../../worker/search-attributes.js';
import { Harness, type HarnessOptions } from '../../support/harness.js';
import { eventually, runsOf } from '../../support/observe.js';
import { activitiesOf, eventsOf, metadataOf, payloadsOf, shown } from '../../support/shown.js';

const PRODUCTION = inject('production');

const LONG_OUTPUT = `ships: ${'seven, '.repeat(800)}and the tail of the output`;
const LONG_ANSWER = `Crane 2 is ready. ${'It lifts. '.repeat(400)}That is the tail of the answer.`;

const look = tool({
  name: 'look',
  description: 'Looks.',
  parameters: z.object({ at: z.string() }),
  effect: 'read',
  run: 'local',
  execute: () => LONG_OUTPUT,
});
const publish = tool({
  name: 'publish',
  description: 'Publishes.',
  parameters: z.object({ text: z.string() }),
  effect: 'keyed',
  run: 'activity',
  execute: () => LONG_OUTPUT,
});

describe('what a history shows', () => {
  let h: Harness;
  afterEach(() => h.stop());

  const start = async (options: HarnessOptions = {}) => {
    h = await Harness.start({
      tools: [look, publish],
      agent: { instructions: 'You are in a port.', model: 'gpt-4o-mini' },
      ...options,
    });
    const session = await h.runtime.start({ title: 'Cranes' });
    const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
    return { session, handle };
  };
  const looking = { name: 'look', arguments: { at: 'crane 2' } };
  const publishing = { name: 'publish', arguments: { text: 'ready' } };
  /**
   * A turn of three steps: with a local tool, with one beside an activity, with an answer. The
   * first two need nothing of the workflow between them: one activity makes both.
   */
  const enqueueTurn = () =>
    h.model.enqueue({ toolCalls: [looking] }, { toolCalls: [looking, publishing] }, LONG_ANSWER);

  /** An answer is told from the store; in the history it is a moment later. */
  const untilIdle = (session: Session) =>
    eventually(async () => (await session.status()).state === 'idle');
  const untilContinued = (session: Session) =>
    eventually(async () => {
      await session.ask('Is it ready?');
      return (await runsOf(h, session.workflowId)).length > 1;
    });

  it('summaries: of each activity → turn, step and agent, or the tool with its arguments', async () => {
    const { session, handle } = await start();
    enqueueTurn();
    h.model.enqueue('Good night.');
    await session.ask('Is crane 2 ready?');
    await session.ask('Good night.');
    await untilIdle(session);
    const events = await eventsOf(handle);
    const activities = activitiesOf(events);
    expect(activities.map(({ type, summary }) => [type, summary])).toEqual([
      ['openSession', 'open the session'],
      ['callModel', 'turn 1 · step 1 · assistant'],
      ['callTool', 'look {"at":"crane 2"}'],
      ['callTool', 'publish {"text":"ready"}'],
      ['callModel', 'turn 1 · step 3 · assistant'],
      ['callModel', 'turn 2 · step 1 · assistant'],
    ]);
  });

  it('results: of each activity → JSON with a preview, the calls and their arguments, tokens and cost', async () => {
    const { session, handle } = await start();
    enqueueTurn();
    h.model.enqueue('Good night.');
    await session.ask('Is crane 2 ready?');
    await session.ask('Good night.');
    await untilIdle(session);
    const [, called, , published, answered, brief] = activitiesOf(await eventsOf(handle)).map(
      ({ result }) => result,
    ) as [
      object,
      { earlier: [{ calls: { done: string }[]; usage: { costMicros: number } }] },
      object,
      { preview: string },
      { preview: string },
      object,
    ];
    const [looked] = called.earlier;
    expect(Object.keys(called)[0]).toBe('earlier');
    const look = { name: 'look', args: '{"at":"crane 2"}' };
    const usage = { input: expect.any(Number) as number, output: expect.any(Number) as number };
    expect(looked).toMatchObject({ outcome: 'tools', calls: [look], usage });
    expect(looked.usage.costMicros).toBeGreaterThan(0);
    expect(looked.calls[0]!.done).toMatch(/^ships: seven, /);
    expect(looked.calls[0]!.done.length).toBeLessThanOrEqual(200);
    const publish = { name: 'publish', args: '{"text":"ready"}' };
    expect(called).toMatchObject({ outcome: 'tools', calls: [look, publish], usage });
    expect(published.preview).toMatch(/^ships: seven, /);
    expect(published.preview.length).toBeLessThanOrEqual(512);
    expect(published).toMatchObject({ bytes: LONG_OUTPUT.length });
    expect(answered).toMatchObject({ outcome: 'stop' });
    expect(answered.preview).toMatch(/^Crane 2 is ready\. It lifts\. /);
    expect(answered.preview.length).toBeLessThanOrEqual(1_024);
    expect(answered).not.toHaveProperty('whole');
    expect(brief).toMatchObject({ outcome: 'stop', preview: 'Good night.', whole: true });
  });

  it('payloads: all of them, at the end of a conversation → JSON, and no transcript in any', async () => {
    const { session, handle } = await start();
    const turns = 4;
    for (let turn = 1; turn <= turns; turn++) {
      enqueueTurn();
      await session.ask(`Is crane ${turn} ready?`);
    }
    await untilIdle(session);
    const payloads = payloadsOf(await eventsOf(handle));
    const having = (text: string) => payloads.filter((payload) => payload.includes(text));
    for (let turn = 1; turn <= turns; turn++) {
      // As it was accepted, and as it was handed to the step that writes it down.
      expect(having(`Is crane ${turn} ready?`)).toHaveLength(2);
    }
    expect(having('Crane 2 is ready.')).toHaveLength(turns);
    expect(having('the tail of the answer')).toEqual([]);
    expect(having('the tail of the output')).toEqual([]);
    expect(having('You are in a port.')).toEqual([]);
    expect(Math.max(...payloads.map(({ length }) => length))).toBeLessThan(2_048);
  });

  it('current details: of a session → who it is, its state, turns, tokens, cost, its last steps', async () => {
    const { session, handle } = await start();
    enqueueTurn();
    await session.ask('Is crane 2 ready?');
    await untilIdle(session);
    const { currentDetails } = await metadataOf(handle);
    expect(currentDetails).toMatch(
      new RegExp(
        `^\\*\\*assistant\\*\\* · Cranes\n\nsession \`${session.id}\` · tenant \`${h.tenant}\`\n\n` +
          'idle · 1 turn · 0 messages waiting · [\\d,]+ → [\\d,]+ tokens · 0\\.0*[1-9]\\d* USD\n\n' +
          'Latest steps:\n\n' +
          '- turn 1 · step 1 · [\\d,]+ → [\\d,]+ tokens · [^·]+ USD · 1 tool call: `look`\n' +
          '- turn 1 · step 2 · [\\d,]+ → [\\d,]+ tokens · [^·]+ USD · 2 tool calls: `look`, `publish`\n' +
          '- turn 1 · step 3 · [\\d,]+ → [\\d,]+ tokens · [^·]+ USD · answered “Crane 2 is ready\\. It lifts[^“]+…”$',
      ),
    );
  });

  it('current details: a signal that is no message, a turn that failed → says so', async () => {
    const { session, handle } = await start();
    await handle.signal(HANDLERS.message, { no: 'text' });
    const page = () => metadataOf(handle).then(({ currentDetails }) => currentDetails ?? '');
    await eventually(async () => (await page()).includes('Refused: The message'));
    h.model.enqueue({ error: { status: 401, message: 'wrong key' } });
    await session.ask('hello').catch(() => undefined);
    await eventually(async () => /^Last failure: `Model\.Unauthorized` /m.test(await page()));
  });

  it('handlers: of a session → each is listed, the ones for messages with what they take', async () => {
    const { handle } = await start();
    const { definition } = await metadataOf(handle);
    const names = (list: readonly { name: string }[]) => list.map(({ name }) => name);
    expect(names(definition.updateDefinitions).sort()).toEqual([
      'answer',
      'ask',
      'interrupt',
      'move',
      'send',
      'status',
    ]);
    expect(names(definition.signalDefinitions)).toEqual(
      expect.arrayContaining(['message', 'pause', 'resume', 'terminate', 'wakeUpAfter']),
    );
    expect(names(definition.queryDefinitions)).toEqual(
      expect.arrayContaining(['status', 'transcriptHead']),
    );
    for (const { description } of definition.updateDefinitions)
      expect(description).toMatch(/\w\.$/);
  });

  it('update: a message → the history has its text, and what the sender was told', async () => {
    const { session, handle } = await start();
    h.model.enqueue('Hello.');
    const receipt = await session.send('hello');
    await session.answerTo(receipt.id);
    const events = await eventsOf(handle);
    const accepted = events.find((event) => event.workflowExecutionUpdateAcceptedEventAttributes);
    const completed = events.find((event) => event.workflowExecutionUpdateCompletedEventAttributes);
    const { input } = accepted!.workflowExecutionUpdateAcceptedEventAttributes!.acceptedRequest!;
    expect(input!.name).toBe('send');
    expect(shown(input!.args!.payloads![0])).toEqual({ id: receipt.id, text: 'hello' });
    const { outcome } = completed!.workflowExecutionUpdateCompletedEventAttributes!;
    expect(shown(outcome!.success!.payloads![0])).toMatchObject({ id: receipt.id });
  });

  it('memo: of a session → agent, session, tenant, title', async () => {
    const { session, handle } = await start();
    h.model.reply(/^/, 'Yes.');
    await session.ask('Is crane 1 ready?');
    const memo = { agent: 'assistant', session: session.id, tenant: h.tenant, title: 'Cranes' };
    expect((await handle.describe()).memo).toEqual(memo);
  });

  it('continue-as-new: what is carried → JSON of counts and ids; of messages only those that wait', async () => {
    const { session, handle } = await start({ settings: { historyLimit: 30 } });
    h.model.reply(/^/, 'Yes, it is.');
    await untilContinued(session);
    const [started] = await eventsOf(handle);
    const [input] = started!.workflowExecutionStartedEventAttributes!.input!.payloads!;
    const { agent, carried } = shown(input) as { agent: string; carried: CarriedState };
    expect(agent).toBe('assistant');
    const { inbox, ...rest } = carried;
    expect(rest).toMatchObject({ version: 1, head: 2 * rest.turn, stage: rest.turn });
    expect(JSON.stringify(rest)).not.toMatch(/ready|it is/);
    // The last message may have come before the next run.
    expect(inbox.length).toBeLessThanOrEqual(1);
  });

  it.runIf(PRODUCTION)(
    'production server: search attributes are registered → a session is found by tenant and agent, also in its later runs',
    async () => {
      const connection = await NativeConnection.connect({ address: inject('temporalAddress') });
      expect(await registerSearchAttributes(connection, 'default')).toBe(true);
      await connection.close();
      const { session, handle } = await start({ settings: { historyLimit: 30 } });
      h.model.reply(/^/, 'Yes.');
      const attributes = { PerduraTenant: [h.tenant], PerduraAgent: ['assistant'] };
      const query = `PerduraTenant = '${h.tenant}' AND PerduraAgent = 'assistant' AND ExecutionStatus = 'Running'`;
      const found = () =>
        eventually(async () => {
          const list: WorkflowExecutionInfo[] = [];
          for await (const each of h.runtime.temporal.workflow.list({ query })) list.push(each);
          return list.length > 0 && list;
        });
      await session.ask('Is crane 1 ready?');
      expect(await found()).toMatchObject([
        { workflowId: session.workflowId, searchAttributes: attributes },
      ]);
      // None is asked of a server that is never set.
      expect(Object.keys(attributes)).toEqual(Object.values(SEARCH_ATTRIBUTES));
      const { runId: first } = await handle.describe();
      await untilContinued(session);
      const { runId } = await handle.describe();
      expect(runId).not.toBe(first);
      await eventually(async () => (await found()).some((each) => each.runId === runId));
    },
  );

  it.runIf(PRODUCTION)(
    'production server: a step that is tried again → what is pending says how often, and why',
    async () => {
      const { session, handle } = await start();
      let failing = true;
      h.model.reply(/^/, () =>
        failing ? { error: { status: 500, message: 'the crane of the model is broken' } } : 'Yes.',
      );
      const asked = session.ask('Is it ready?');
      const pending = await eventually(async () => {
        const { raw } = await handle.describe();
        const [first] = raw.pendingActivities ?? [];
        return first?.lastFailure && (first.attempt ?? 0) > 1 ? first : undefined;
      });
      failing = false;
      expect(pending.activityType!.name).toBe('callModel');
      expect(pending.lastFailure).toMatchObject({
        message: expect.stringContaining('the crane of the model is broken') as string,
        applicationFailureInfo: { type: 'Model.Unavailable' },
      });
      expect((await asked).text).toBe('Yes.');
    },
  );
});
