import { describe, expect, it } from 'vitest';
import { buildCapabilityGraph } from '../../../src/planner/build-graph.js';
import { plannerInstructions } from '../../../src/planner/planner-prompt.js';
import { DEFAULT_POLICY } from '../../../src/contracts/policy.js';
import { tool } from '../../../src/contracts/define-tool.js';
import { offlineAnswer } from '../../../src/testing/offline-agent.js';
import { readRequest } from '../../../src/testing/seen-request.js';

const TEXT = { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] };
const offered = (...names: string[]) =>
  names.map((name) => ({ type: 'function', function: { name, parameters: TEXT } }));

function answer(system: string, messages: object[], tools: object[]) {
  const body = { model: 'm', messages: [{ role: 'system', content: system }, ...messages], tools };
  return offlineAnswer(readRequest('/v1/chat/completions', body, {}, 0));
}
const user = (content: string) => ({ role: 'user', content });
const called = (id: string, name: string, result: string, args = '{}') => [
  { role: 'assistant', content: '', tool_calls: [{ id, function: { name, arguments: args } }] },
  { role: 'tool', tool_call_id: id, content: result },
];
const callsOf = ({ toolCalls = [] }: ReturnType<typeof answer>) =>
  toolCalls.map(({ name, arguments: args }) => ({ name, args }));

const WRITER =
  'You write.\n\nBefore you answer, call `save` with the whole text, then call `send` with {"text":"It is there."}.\n\nThen say so. Never call `drop`.';
const TOOLS = offered('save', 'send', 'drop');

describe('offline model in a role', () => {
  it('"Before you answer, call …" → the calls one after another, with all that was heard, then the answer', () => {
    const heard = [
      user('[from ann] [group g, message 1]\nWhat floats?'),
      user(
        '[from ben] [group g, message 2]\n(scripted offline model) Wood.\n[Your answer goes to the group. Answer NO_REPLY alone to say nothing.]',
      ),
    ];
    const first = answer(WRITER, heard, TOOLS);
    expect(callsOf(first)).toEqual([{ name: 'save', args: { text: 'What floats?\n\nWood.' } }]);
    const saved = [...heard, ...called('c1', 'save', 'Saved.')];
    expect(callsOf(answer(WRITER, saved, TOOLS))).toEqual([
      { name: 'send', args: { text: 'It is there.' } },
    ]);
    const last = answer(WRITER, [...saved, ...called('c2', 'send', 'Accepted.')], TOOLS);
    expect(callsOf(last)).toEqual([]);
    expect(last.text).toContain('The tool save answered: Saved.');
  });

  it('what was said before its last answer → is not heard again', () => {
    const messages = [user('old'), { role: 'assistant', content: 'done' }, user('new')];
    expect(callsOf(answer(WRITER, messages, TOOLS))).toEqual([
      { name: 'save', args: { text: 'new' } },
    ]);
  });

  it('a tool that is not offered → is left out', () => {
    expect(callsOf(answer(WRITER, [user('hello')], offered('send')))).toEqual([
      { name: 'send', args: { text: 'It is there.' } },
    ]);
  });

  const capability = (name: string) =>
    tool({ name, description: 'Does it.', parameters: TEXT, execute: () => 1 });
  const lead = plannerInstructions(
    'You lead. Plan `one` and `two` at once. If one fails, plan `three`.',
    buildCapabilityGraph({
      agent: { name: 'lead' },
      tools: ['one', 'two', 'three'].map(capability),
    }),
    DEFAULT_POLICY,
  );
  const planned = (messages: object[]) => {
    const [call] = answer(lead, messages, offered('make_plan')).toolCalls ?? [];
    return (call?.arguments as { steps: object[] } | undefined)?.steps;
  };
  const made = [
    user('What floats?'),
    ...called('c1', 'make_plan', '{"accepted":true}', '{"steps":[{"id":"s1"},{"id":"s2"}]}'),
    ...called('p1-1-s2', 'two', 'Wood.'),
  ];

  it('a planner whose instructions name steps → a plan of them, with what was asked', () => {
    expect(planned([user('What floats?')])).toEqual([
      { id: 's1', use: 'one', args: { text: 'What floats?' } },
      { id: 's2', use: 'two', args: { text: 'What floats?' } },
    ]);
  });

  it('a step has failed → the plan that the instructions have for that, once', () => {
    const failed = user('[planner] Done: s2. Failed: s1 (Tool.Failed). Call make_plan.');
    expect(planned([...made, failed])).toEqual([
      { id: 's3', use: 'three', args: { text: 'What floats?' } },
    ]);
    const again = [
      ...made,
      ...called('c2', 'make_plan', '{"accepted":true}', '{"steps":[{"id":"s3"}]}'),
      failed,
    ];
    expect(planned(again)).toBeUndefined();
  });

  it('all steps are done → the answer', () => {
    const done = user('[planner] Done: s1, s2. Answer the user now.');
    expect(answer(lead, [...made, done], offered('make_plan')).text).toContain('Wood.');
  });

  it('files of a workspace → lists, reads, files what it found, answers without line numbers', () => {
    const system = 'You read. Call record_finding once.';
    const tools = offered('list_files', 'read_file', 'record_finding');
    const asked = [user('Read the files: what do they say about cranes?')];
    expect(callsOf(answer(system, asked, tools))).toMatchObject([{ name: 'list_files' }]);
    const listed = [...asked, ...called('c1', 'list_files', 'log.md\t40\nold/plan.txt\t20')];
    expect(callsOf(answer(system, listed, tools))).toEqual([
      { name: 'read_file', args: { text: 'log.md' } },
      { name: 'read_file', args: { text: 'old/plan.txt' } },
    ]);
    const read = [
      ...listed,
      ...called('c2', 'read_file', '1: # Log\n2: All cranes stand still.', '{"path":"log.md"}'),
    ];
    expect(callsOf(answer(system, read, tools))).toMatchObject([{ name: 'record_finding' }]);
    const { text } = answer(system, [...read, ...called('c3', 'record_finding', 'ok')], tools);
    expect(text).toContain('log.md, line 2: “All cranes stand still.”');
    expect(text).toContain('The folder has 2 files: log.md, old/plan.txt.');
    const none = [...asked, ...called('c1', 'list_files', 'There are no such files.')];
    expect(answer(system, none, tools).text).toContain('The folder is empty.');
  });
});
