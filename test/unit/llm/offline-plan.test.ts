import { describe, expect, it } from 'vitest';
import { buildCapabilityGraph } from '../../../src/planner/build-graph.js';
import { plannerInstructions } from '../../../src/planner/planner-prompt.js';
import { DEFAULT_POLICY } from '../../../src/contracts/policy.js';
import { tool } from '../../../src/contracts/define-tool.js';
import { offlineAnswer } from '../../../src/testing/offline-agent.js';
import { readRequest } from '../../../src/testing/seen-request.js';

const stock = tool({
  name: 'stock',
  description: 'Counts.',
  parameters: { type: 'object', properties: { item: { type: 'string' } }, required: ['item'] },
  execute: () => 1,
});
const shell = tool({ name: 'shell_exec', description: 'Runs.', execute: () => 1 });
const system = plannerInstructions(
  'Plan.',
  buildCapabilityGraph({ agent: { name: 'a' }, tools: [stock, shell] }),
  DEFAULT_POLICY,
);
const MAKE_PLAN = { type: 'function', function: { name: 'make_plan', parameters: {} } };

function answer(messages: object[], choice = 'auto') {
  const body = {
    model: 'm',
    messages: [{ role: 'system', content: system }, ...messages],
    tools: [MAKE_PLAN],
    tool_choice: choice,
  };
  return offlineAnswer(readRequest('/v1/chat/completions', body, {}, 0));
}
const user = (content: string) => ({ role: 'user', content });
const called = (id: string, name: string, args: object, result: string) => [
  {
    role: 'assistant',
    content: '',
    tool_calls: [{ id, function: { name, arguments: JSON.stringify(args) } }],
  },
  { role: 'tool', tool_call_id: id, content: result },
];
const stepsOf = (response: ReturnType<typeof answer>) =>
  (response.toolCalls?.[0]?.arguments as { steps: object[] } | undefined)?.steps;

const ASK = 'call stock with {"item":"a"}, otherwise call stock with {"item":"b"}';
const PLANNED = [
  user(ASK),
  ...called('c1', 'make_plan', { steps: [{ id: 's1' }] }, '{"accepted":true}'),
];

describe('offline planner', () => {
  it('asked to call tools → a plan with a step for each', () => {
    expect(
      stepsOf(answer([user('call stock with {"item":"a"} and call stock with {"item":"b"}')])),
    ).toEqual([
      { id: 's1', use: 'stock', args: { item: 'a' } },
      { id: 's2', use: 'stock', args: { item: 'b' } },
    ]);
  });

  it('a step failed, and the question says what to do then → another plan, with new ids', () => {
    const failed = [
      ...PLANNED,
      ...called('p1-1-s1', 'stock', { item: 'a' }, 'It is away.'),
      user('[planner] Done: none. Failed: s1 (Tool.Failed). Call make_plan.'),
    ];
    expect(stepsOf(answer(failed))).toEqual([{ id: 's2', use: 'stock', args: { item: 'b' } }]);
    expect(answer(failed, 'none').text).toMatch(/stock answered: It is away\./);
  });

  it('all steps are done → the answer, from their results', () => {
    const done = [
      ...PLANNED,
      ...called('p1-1-s1', 'stock', { item: 'a' }, '7'),
      user('[planner] Done: s1. Answer the user now.'),
    ];
    expect(answer(done)).toMatchObject({
      text: expect.stringMatching(/stock answered: 7/) as string,
    });
  });

  it('asked for what it may not use → plans it, and says that it was refused', () => {
    const asked = user('call shell_exec with {}');
    expect(stepsOf(answer([asked]))).toEqual([{ id: 's1', use: 'shell_exec', args: {} }]);
    const refused = [
      asked,
      ...called('c1', 'make_plan', { steps: [{}] }, 'The plan was not accepted: no.'),
    ];
    expect(answer(refused).text).toMatch(/could not plan that.*not accepted/);
  });

  it('small talk → no plan', () => {
    expect(answer([user('hello')]).toolCalls).toBeUndefined();
  });
});
