/** A conversation changes hands within its session: who speaks, what it sees, who pays, what is refused. */
import { afterEach, describe, expect, it } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import type { AgentDeclaration, Session, SessionEvent } from '../../../src/index.js';
import type { ScriptedResponse } from '../../../src/testing/scripted-model.js';
import { Deployments } from '../../support/deployments.js';

const TRIAGE: AgentDeclaration = {
  name: 'triage',
  instructions: 'You find out who can help.',
  model: 'triage-model',
  tools: ['look', 'approve'],
  handoffs: ['billing'],
};
const BILLING: AgentDeclaration = {
  name: 'billing',
  description: 'Knows all about bills.',
  instructions: 'You do the billing.',
  model: 'billing-model',
  tools: [],
};
const TOOLS = [
  tool({
    name: 'look',
    description: 'Looks.',
    effect: 'read',
    run: 'local',
    execute: () => 'seen by triage',
  }),
  tool({ name: 'approve', description: 'Waits for a person.', run: 'workflow' }),
];

const transfer = (reason?: string): ScriptedResponse => ({
  toolCalls: [{ name: 'transfer_to_billing', arguments: reason === undefined ? {} : { reason } }],
});

describe('handoff', () => {
  let d: Deployments;
  afterEach(() => d.stop());

  const start = (triage: Partial<AgentDeclaration> = {}, more: AgentDeclaration[] = []) =>
    Deployments.start({ agents: [{ ...TRIAGE, ...triage }, BILLING, ...more], tools: TOOLS });
  const models = () => d.model.requests.map(({ model }) => model);
  const last = () => d.model.requests.at(-1)!;

  async function eventsOf(session: Session): Promise<SessionEvent[]> {
    const events: SessionEvent[] = [];
    for await (const item of session.events({ live: false })) if ('n' in item) events.push(item);
    return events;
  }

  it('handoff: the model transfers → the other agent answers in the same turn, keeps the session, and is on record', async () => {
    d = await start();
    d.model.enqueue(transfer('a question of money'), 'It is 7 euros.', 'As I said.');
    const session = await d.runtime.start({ agent: 'triage' });
    expect(await session.ask('What do I owe?')).toMatchObject({ turn: 1, text: 'It is 7 euros.' });
    const [asked, taken] = d.model.requests;
    expect(asked!.tools.map(({ name }) => name)).toContain('transfer_to_billing');
    expect(asked!.tools.find(({ name }) => name === 'transfer_to_billing')!.description).toContain(
      'Knows all about bills.',
    );
    expect(taken).toMatchObject({ model: 'billing-model', system: 'You do the billing.' });
    expect(taken!.tools.map(({ name }) => name)).toEqual(['read_artifact']);
    expect(taken!.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool']);
    expect(taken!.messages.at(-1)!.text).toContain('a question of money');
    await session.ask('Sure?');
    expect(models()).toEqual(['triage-model', 'billing-model', 'billing-model']);
    expect(await session.status()).toMatchObject({ agent: 'billing', turn: 2 });
    expect(await session.record()).toMatchObject({ agent: 'billing' });
    const events = await eventsOf(session);
    expect(events.filter(({ type }) => type === 'agent.handoff')).toMatchObject([
      { from: { agent: 'triage' }, to: { agent: 'billing' }, reason: 'a question of money' },
    ]);
    await d.replay(session);
  });

  it('handoff: who spent what → attempts and the bill by agent, which sum up to the session', async () => {
    d = await start();
    d.model.enqueue(
      { ...transfer(), usage: { input: 100, output: 10 } },
      { text: 'done', usage: { input: 300, output: 20 } },
    );
    const session = await d.runtime.start({ agent: 'triage' });
    await session.ask('What do I owe?');
    const timeline = await session.timeline();
    expect(timeline.agents).toMatchObject([
      { agent: 'triage', attempts: 1, inputTokens: 100, outputTokens: 10 },
      { agent: 'billing', attempts: 1, inputTokens: 300, outputTokens: 20 },
    ]);
    const record = await session.record();
    expect(record).toMatchObject({ inputTokens: 400, outputTokens: 30 });
  });

  it('handoff: beside other calls, one of which waits for a person → they are settled first', async () => {
    d = await start();
    d.model.enqueue(
      {
        toolCalls: [
          { name: 'transfer_to_billing', arguments: {} },
          { name: 'look', arguments: {} },
          { name: 'approve', arguments: {} },
        ],
      },
      'taken',
    );
    const session = await d.runtime.start({ agent: 'triage' });
    const answer = session.ask('All of it');
    for await (const item of session.events()) {
      if (item.type !== 'tool.waiting') continue;
      expect((await session.status()).agent).toBe('triage');
      await session.answer(item.key, 'approved');
      break;
    }
    await answer;
    const results = last().messages.filter(({ role }) => role === 'tool');
    expect(results.map(({ text }) => text)).toEqual([
      expect.stringContaining('handed over from "triage" to "billing"') as string,
      'seen by triage',
      'approved',
    ]);
    const names = (await eventsOf(session)).flatMap((event) =>
      event.type === 'tool.completed' ? [event.name] : [],
    );
    expect(names.at(-1)).toBe('transfer_to_billing');
    await d.replay(session);
  });

  it('handoff: two in one answer → the first counts, the model is told of the second', async () => {
    d = await start({ handoffs: ['billing', 'legal'] }, [
      { name: 'legal', instructions: 'You know the law.', model: 'legal-model' },
    ]);
    d.model.enqueue(
      {
        toolCalls: [
          { name: 'transfer_to_billing', arguments: {} },
          { name: 'transfer_to_legal', arguments: {} },
        ],
      },
      'taken',
    );
    const session = await d.runtime.start({ agent: 'triage' });
    await session.ask('Both');
    expect(models()).toEqual(['triage-model', 'billing-model']);
    expect(last().messages.at(-1)!.text).toMatch(/Another call of the same answer/);
  });

  it('F17 handoff: two agents that hand over to each other → bounded, told to the model, and the turn ends', async () => {
    d = await Deployments.start({
      agents: [
        { ...TRIAGE, policy: { maxHandoffs: 3 } },
        { ...BILLING, handoffs: ['triage'], policy: { maxHandoffs: 3 } },
      ],
      tools: TOOLS,
    });
    d.model.reply(/./, ({ model, messages }) =>
      messages.at(-1)!.text.includes('maxHandoffs')
        ? 'I go on myself.'
        : {
            toolCalls: [
              {
                name: model === 'triage-model' ? 'transfer_to_billing' : 'transfer_to_triage',
                arguments: {},
              },
            ],
          },
    );
    const session = await d.runtime.start({ agent: 'triage' });
    expect(await session.ask('Round and round')).toMatchObject({ text: 'I go on myself.' });
    expect(models()).toHaveLength(5);
    const events = await eventsOf(session);
    expect(events.filter(({ type }) => type === 'agent.handoff')).toHaveLength(3);
    expect(events.find((event) => event.type === 'tool.completed' && event.failure)).toMatchObject({
      failure: { type: 'Handoff.Refused' },
    });
    await d.replay(session);
  });

  it('handoff: not let by the policy, or to an agent that is gone → the model is told, and goes on', async () => {
    d = await start({ policy: { delegation: ['legal'] } });
    d.model.reply(/./, ({ messages }) =>
      messages.at(-1)!.role === 'tool' ? 'on my own' : transfer(),
    );
    const session = await d.runtime.start({ agent: 'triage' });
    expect(await session.ask('one')).toMatchObject({ text: 'on my own' });
    expect(last().messages.at(-1)!.text).toMatch(/policy of "triage"/);
    expect((await session.status()).agent).toBe('triage');
    await d.stop();
    d = await start();
    const other = await d.runtime.start({ agent: 'triage' });
    d.model.reply(/./, ({ messages }) =>
      messages.at(-1)!.role === 'tool' ? 'on my own' : transfer(),
    );
    await other.status();
    await d.deploy({ agents: [TRIAGE], tools: TOOLS });
    expect(await other.ask('two')).toMatchObject({ text: 'on my own' });
    expect(last().messages.at(-1)!.text).toMatch(/There is no agent "billing"/);
  });

  it('handoff: a reason that must be given and is not → the model repairs its call', async () => {
    d = await start({ handoffs: [{ agent: 'billing', reason: true }] });
    d.model.enqueue(transfer(), transfer('money'), 'taken');
    const session = await d.runtime.start({ agent: 'triage' });
    await session.ask('What do I owe?');
    expect(models()).toEqual(['triage-model', 'triage-model', 'billing-model']);
  });

  it.each([
    ['no-tools' as const, ['one', 'two', 'three'], false],
    [{ turns: 2 }, ['two', 'three'], false],
    [{ turns: 1 }, ['three'], false],
    ['all' as const, ['one', 'two', 'three'], true],
  ])('handoff: filter %j → the other agent sees that alone', async (filter, texts, tools) => {
    d = await start({ handoffs: [{ agent: 'billing', filter }] });
    d.model.enqueue(
      { toolCalls: [{ name: 'look', arguments: {} }] },
      'first answer',
      'second answer',
      transfer(),
      'taken',
      'and again',
    );
    const session = await d.runtime.start({ agent: 'triage' });
    for (const text of ['one', 'two', 'three']) await session.ask(text);
    const taken = last();
    expect(taken.model).toBe('billing-model');
    const shown = (request = taken) =>
      request.messages.flatMap(({ role, text }) => (role === 'user' ? [text] : []));
    expect(shown()).toEqual(texts);
    expect(JSON.stringify(taken.messages).includes('seen by triage')).toBe(tools);
    await session.ask('four');
    expect(shown(last())).toEqual([...texts, 'four']);
    await d.replay(session);
  });

  it('handoff: filter "summary" → the agent that hands over writes it, the other sees it and the turn under way', async () => {
    d = await start({ handoffs: [{ agent: 'billing', filter: 'summary' }] });
    d.model.enqueue('first answer', transfer(), 'They talked of one.', 'taken');
    const session = await d.runtime.start({ agent: 'triage' });
    for (const text of ['one', 'two']) await session.ask(text);
    expect(models()).toEqual(['triage-model', 'triage-model', 'triage-model', 'billing-model']);
    const shown = JSON.stringify(last().messages);
    expect(shown).toContain('They talked of one.');
    expect(shown).toContain('two');
    expect(shown).not.toContain('first answer');
    await d.replay(session);
  });

  it('F20 handoff: interrupted at that moment → the store and the session know the same agent', async () => {
    d = await start();
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    d.model.reply(
      ({ model }) => model === 'billing-model',
      () => opened.then(() => 'too late'),
    );
    d.model.enqueue(transfer());
    const session = await d.runtime.start({ agent: 'triage' });
    const asked = expect(session.ask('one')).rejects.toMatchObject({ type: 'Turn.Interrupted' });
    await d.model.until(({ requests }) => requests.length === 2);
    await session.interrupt();
    open();
    await asked;
    const [record, status] = [await session.record(), await session.status()];
    expect(record?.agent).toBe(status.agent);
    expect(record?.version).toBe(status.version);
    await d.replay(session);
  });

  it('handoff: its turn is rolled back → the agent that began the turn has the session again', async () => {
    d = await start();
    d.model.reply(({ lastUserText }) => lastUserText === 'forget it', 'by triage');
    d.model.enqueue(transfer(), { hang: true });
    const session = await d.runtime.start({ agent: 'triage' });
    const asked = expect(session.ask('one')).rejects.toMatchObject({ type: 'Turn.RolledBack' });
    await d.model.until(({ requests }) => requests.length === 2);
    const { text } = await session.ask('forget it', { whileWorking: 'rollback' });
    await asked;
    expect(text).toBe('by triage');
    expect(models()).toEqual(['triage-model', 'billing-model', 'triage-model']);
    const [record, status] = [await session.record(), await session.status()];
    expect(record).toMatchObject({ agent: 'triage', version: status.version });
    expect(status.agent).toBe('triage');
    expect(status.moving).toBeUndefined();
    await d.replay(session);
  });

  it('S3 handoff: a reason with half a surrogate pair and NUL → well-formed, and the turn goes on', async () => {
    d = await start();
    d.model.enqueue(
      {
        toolCalls: [
          {
            name: 'transfer_to_billing',
            arguments: '{"reason":"\\ud83d \\u0000 short"}',
          },
        ],
      },
      'taken',
    );
    const session = await d.runtime.start({ agent: 'triage' });
    await session.ask('one');
    const event = (await eventsOf(session)).find(({ type }) => type === 'agent.handoff');
    expect(event).toMatchObject({ reason: '\ufffd \ufffd short' });
  });
});
