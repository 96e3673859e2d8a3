/** `context.runAgent()`: a tool, in its activity, gives tasks to agents. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PerduraError } from '../../../src/contracts/failures.js';
import { tool } from '../../../src/contracts/define-tool.js';
import type { AgentAnswer } from '../../../src/contracts/tool.js';
import { Harness } from '../../support/harness.js';
import { eventually } from '../../support/observe.js';
import { agentNamed, allEnded, below, by, replayTree, told } from '../../support/tree.js';

const shape = {
  type: 'object',
  properties: { n: { type: 'integer' } },
  required: ['n'],
} as const;

describe('agents run by a tool', () => {
  let h: Harness;
  let attempts = 0;
  const answers: AgentAnswer[][] = [];

  beforeAll(async () => {
    const text = { type: 'object', properties: { text: { type: 'string' } } } as const;
    h = await Harness.start({
      agents: [
        agentNamed('lead', {
          tools: ['survey', 'shaky', 'ask', 'around'],
          agents: [{ agent: 'counter', name: 'count', output: shape }],
        }),
        agentNamed('counter'),
        agentNamed('speaker'),
      ],
      tools: [
        tool({
          name: 'survey',
          description: 'Asks two agents.',
          effect: 'keyed',
          parameters: text,
          async execute({ text: of }, { runAgent }) {
            const both = await Promise.all([
              runAgent({ agent: 'count', task: `count ${String(of)}` }),
              runAgent({ agent: 'speaker', task: { of } }),
            ]);
            return both.map(({ value, text: said }) => value ?? said);
          },
        }),
        tool({
          name: 'shaky',
          description: 'Fails the first time, when the agent has answered.',
          effect: 'keyed',
          parameters: text,
          retry: { initialIntervalMs: 10 },
          async execute({ text: of }, { runAgent }) {
            attempts += 1;
            const all = [
              await runAgent({ agent: 'speaker', task: String(of) }),
              await runAgent({ agent: 'speaker', task: String(of), key: 'second' }),
            ];
            answers.push(all);
            if (attempts === 1) throw new PerduraError('Mcp.Unavailable', 'not yet');
            return all.map(({ text: said }) => said);
          },
        }),
        tool({
          name: 'ask',
          description: 'Asks one agent.',
          effect: 'keyed',
          parameters: text,
          execute: async ({ text: of }, { runAgent }) =>
            (await runAgent({ agent: 'speaker', task: String(of) })).text,
        }),
        tool({
          name: 'around',
          description: 'Asks the agent that asks.',
          parameters: text,
          execute: async (_, { runAgent }) => (await runAgent({ agent: 'lead', task: 'x' })).text,
        }),
      ],
    });
    h.model.reply(by('lead'), (r) => {
      const results = told(r);
      if (results.length > 0) return `told: ${results.join(' | ')}`;
      const [name, ...rest] = r.lastUserText.split(' ');
      return { toolCalls: [{ name: name!, arguments: { text: rest.join(' ') } }] };
    });
    h.model.reply(by('counter'), '{"n":3}');
    h.model.reply((r) => by('speaker')(r) && r.lastUserText === 'hang', { hang: true });
    h.model.reply((r) => by('speaker')(r) && r.lastUserText === 'fail', {
      error: { status: 400, message: 'no' },
    });
    h.model.reply(by('speaker'), (r) => `heard ${r.lastUserText}`);
  });
  afterAll(() => h.stop());

  it('runAgent: two at once, one of them typed → their answers; their sessions are below, and in the stream', async () => {
    const session = await h.runtime.start({ agent: 'lead' });
    expect((await session.ask('survey these')).text).toBe(
      'told: [{"n":3},"heard {\\"of\\":\\"these\\"}"]',
    );
    await allEnded(h, session);
    const children = await below(h, session);
    expect(children.map(({ agent, path }) => [agent, path!.length])).toEqual(
      expect.arrayContaining([
        ['counter', 2],
        ['speaker', 2],
      ]),
    );
    const seen = new Set<string>();
    for await (const item of session.events({ tree: true, live: false })) seen.add(item.session);
    expect(seen.size).toBe(3);
    await replayTree(h, session);
  });

  it('runAgent: the tool is tried again → the same sessions, and no second model call', async () => {
    const session = await h.runtime.start({ agent: 'lead' });
    const text = 'shaky once';
    expect((await session.ask(text)).text).toBe('told: ["heard once","heard once"]');
    expect(attempts).toBe(2);
    expect(answers[1]).toEqual(answers[0]);
    expect(new Set(answers[0]!.map((answer) => answer.session)).size).toBe(2);
    expect(h.model.requests.filter((r) => r.lastUserText === 'once')).toHaveLength(2);
    expect(await below(h, session)).toHaveLength(2);
  });

  it('runAgent: the agent fails, is unknown, is above → the model is told the type', async () => {
    const session = await h.runtime.start({ agent: 'lead' });
    expect((await session.ask('ask fail')).text).toContain('no');
    expect((await session.ask('around')).text).toContain('lead → lead');
    const types = (await session.transcript()).flatMap(({ message }) =>
      message.role === 'tool' ? [message.failure?.type] : [],
    );
    expect(types).toEqual(['Model.BadRequest', 'Delegation.Cycle']);
  });

  it('runAgent: the turn is interrupted → the model call of the agent is closed, its session ends', async () => {
    const session = await h.runtime.start({ agent: 'lead' });
    session.ask('ask hang').catch(() => undefined);
    await h.model.until(({ requests }) => requests.some((r) => r.lastUserText === 'hang'));
    const from = Date.now();
    await session.interrupt('enough');
    await h.model.until(({ closedEarly }) => closedEarly.length > 0);
    expect(h.model.closedEarly[0]!.at - from).toBeLessThan(1_000);
    await eventually(async () => (await below(h, session)).every((c) => c.state === 'terminated'));
    await replayTree(h, session);
  });
});
