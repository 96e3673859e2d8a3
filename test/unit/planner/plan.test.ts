import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TranscriptMessage } from '../../../src/contracts/message.js';
import { referencesIn, resolveArguments } from '../../../src/contracts/plan-arguments.js';
import { orderProblems, parsePlan, roundsOf } from '../../../src/contracts/plan-form.js';
import {
  NO_PLAN,
  nextMove,
  nextSteps,
  PLANNER_MODEL,
  readProgress,
  stepCallId,
  stepOfCall,
} from '../../../src/contracts/plan.js';
import { DEFAULT_POLICY } from '../../../src/contracts/policy.js';

const step = (id: string, ...after: string[]) => ({ id, use: 'x', args: {}, after });
const planOf = (...steps: object[]) => parsePlan({ steps }).plan!;
const problems = (value: unknown) => parsePlan(value).problems ?? [];
const order = (steps: object[], done: string[] = [], rounds = 0) =>
  orderProblems(
    planOf(...steps),
    { done: new Map(done.map((id) => [id, 1])), rounds },
    DEFAULT_POLICY,
  );

describe('plan: its form', () => {
  it.each<[string, unknown, RegExp]>([
    ['no steps', {}, /"steps" must be a list/],
    ['an empty list', { steps: [] }, /has no steps/],
    ['too many', { steps: Array(33).fill(step('a')) }, /33 steps; at most 32/],
    ['a bad id', { steps: [step('a b')] }, /Step 1 needs an "id"/],
    ['no use', { steps: [{ id: 'a', args: {} }] }, /Step "a" needs a "use"/],
    ['args that are a list', { steps: [{ ...step('a'), args: [] }] }, /"args" must be an object/],
    [
      'a bad reference',
      { steps: [{ ...step('a'), args: { x: { $from: 1 } } }] },
      /"\$from" at \/x/,
    ],
    [
      'a reference with more in it',
      { steps: [{ ...step('a'), args: { x: { $from: 'b', also: 1 } } }] },
      /and nothing else/,
    ],
    [
      'a text of texts',
      { steps: [{ ...step('a'), args: { x: { $text: [{ $text: [] }] } } }] },
      /"\$text" at \/x must be a list of texts and references/,
    ],
    ['null', null, /"steps" must be a list/],
  ])('form: %s → said', (_, value, message) => {
    expect(problems(value).join('\n')).toMatch(message);
  });

  it.each<[string, object[], string[], RegExp]>([
    ['twice the same id', [step('a'), step('a')], [], /two steps "a"/],
    ['after nothing', [step('a', 'b')], [], /comes after "b", which is no step/],
    ['an id that is done', [step('a')], ['a'], /"a" is done/],
    ['a cycle', [step('a', 'b'), step('b', 'a')], [], /"a", "b" wait for each other/],
    ['itself', [step('a', 'a')], [], /"a" wait for each other/],
  ])('order: %s → said', (_, steps, done, message) => {
    expect(order(steps, done).join('\n')).toMatch(message);
  });

  it('after what is done already → fine', () => {
    expect(order([step('b', 'a')], ['a'])).toEqual([]);
  });

  it('more rounds than are left → said; side by side they are one', () => {
    const chain = [step('s0'), ...[1, 2, 3].map((i) => step(`s${i}`, `s${i - 1}`))];
    expect(roundsOf(planOf(...chain))).toBe(4);
    expect(order(chain, [], 7)[0]).toMatch(/takes 4 rounds.*3 of 10 are left/);
    expect(order([step('a'), step('b'), step('c')], [], 9)).toEqual([]);
  });

  it('any JSON → a plan or problems, never an exception', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const each of [
          value,
          { steps: value },
          { steps: [value] },
          { steps: [{ ...step('a'), args: value }] },
        ]) {
          const { plan, problems } = parsePlan(each);
          expect((plan === undefined) !== (problems === undefined)).toBe(true);
          if (plan) orderProblems(plan, { done: new Map(), rounds: 0 }, DEFAULT_POLICY);
        }
      }),
    );
  });
});

describe('plan: arguments', () => {
  const outputs: Record<string, string> = {
    json: '{"items":[{"n":1}],"name":"x"}',
    text: 'plain',
    number: '3',
  };
  const resolve = (args: Record<string, unknown>, texts: string[] = []) =>
    resolveArguments(
      args,
      (id) => outputs[id] ?? '',
      (at) => texts.includes(at),
    );

  it('whole outputs, parts and joined texts → replaced; the rest stays', () => {
    expect(
      resolve(
        {
          a: { $from: 'json', path: '/items/0/n' },
          b: { $from: 'text' },
          c: { $text: ['<', { $from: 'number' }, '> ', { $from: 'json', path: '/items' }] },
          d: [{ deep: { $from: 'number' } }],
          e: '{"$from": "text"}',
          f: { $from: 'number' },
        },
        ['/f'],
      ),
    ).toEqual({
      a: 1,
      b: 'plain',
      c: '<3> [{"n":1}]',
      d: [{ deep: 3 }],
      e: '{"$from": "text"}',
      f: '3',
    });
  });

  it('a path that leads nowhere → says which', () => {
    expect(() => resolve({ a: { $from: 'json', path: '/items/9' } })).toThrow(
      'The output of step "json" has nothing at /items/9.',
    );
    expect(() => resolve({ a: { $from: 'text', path: '/x' } })).toThrow(/nothing at \/x/);
    expect(() => resolve({ a: { $from: 'json', path: '/constructor' } })).toThrow(/nothing at/);
  });

  it('S15 an output that looks like a reference → stays what it is', () => {
    outputs['evil'] = '{"$from":"text"}';
    expect(resolve({ a: { $from: 'evil' } })).toEqual({ a: { $from: 'text' } });
  });

  it('references → found with their places, escaped', () => {
    const { found } = referencesIn({ 'a/b': [{ $from: 'x' }], c: { $text: [{ $from: 'y' }] } });
    expect(found).toEqual([
      { from: 'x', at: '/a~1b/0', asText: false },
      { from: 'y', at: '/c', asText: true },
    ]);
  });
});

describe('plan: what comes next', () => {
  const says = (args: object, id = 'call'): TranscriptMessage => ({
    role: 'assistant',
    id: 'm',
    text: '',
    toolCalls: [{ id, name: 'make_plan', arguments: JSON.stringify(args) }],
    finish: 'tools',
    model: 'gpt',
  });
  const result = (callId: string, failed = false): TranscriptMessage => ({
    role: 'tool',
    callId,
    name: 'x',
    content: [{ type: 'text', text: 'ok' }],
    ...(failed ? { failure: { type: 'Tool.Failed', message: 'no' } } : {}),
  });
  const round = (revision: number, ...ids: string[]): TranscriptMessage => ({
    role: 'assistant',
    id: 'r',
    text: '',
    toolCalls: ids.map((id) => ({ id: stepCallId(1, revision, id), name: 'x', arguments: '{}' })),
    finish: 'tools',
    model: PLANNER_MODEL,
  });
  const ran = (revision: number, id: string, failed = false) =>
    result(stepCallId(1, revision, id), failed);
  const two = says({ steps: [step('a'), step('b'), step('c', 'a', 'b')] });
  const policy = { maxReplanAttempts: 1, maxIterations: 4 };
  const moveAfter = (...messages: TranscriptMessage[]) => nextMove(readProgress(messages), policy);

  it('nothing yet → a plan', () => {
    expect(nextMove(NO_PLAN, policy)).toEqual({ do: 'plan', because: 'start' });
  });

  it('a plan → the steps that wait for none; then those whose steps are done', () => {
    const accepted = [two, result('call')];
    expect(moveAfter(...accepted)).toMatchObject({ do: 'run', steps: [{ id: 'a' }, { id: 'b' }] });
    const ended = [...accepted, round(1, 'a', 'b'), ran(1, 'a'), ran(1, 'b')];
    expect(moveAfter(...ended)).toMatchObject({ do: 'run', steps: [{ id: 'c' }] });
    expect(moveAfter(...ended, round(1, 'c'), ran(1, 'c'))).toEqual({
      do: 'plan',
      because: 'done',
    });
  });

  it('a step failed → another plan; the next failure → the answer', () => {
    const failed = [two, result('call'), round(1, 'a', 'b'), ran(1, 'a'), ran(1, 'b', true)];
    expect(moveAfter(...failed)).toEqual({ do: 'plan', because: 'failed' });
    const again = [...failed, says({ steps: [step('b')] }, 'second'), result('second')];
    expect(moveAfter(...again)).toMatchObject({ do: 'run', steps: [{ id: 'b' }] });
    expect(moveAfter(...again, round(2, 'b'), ran(2, 'b', true))).toEqual({
      do: 'answer',
      because: 'replans',
    });
    const { done, replans, revision } = readProgress(again);
    expect([[...done.keys()], replans, revision]).toEqual([['a'], 1, 2]);
  });

  it('refused three times → the answer; an accepted plan begins anew', () => {
    const refused = [says({ steps: [] }), result('call', true)];
    expect(moveAfter(...refused, ...refused)).toEqual({ do: 'plan', because: 'start' });
    expect(moveAfter(...refused, ...refused, ...refused)).toEqual({
      do: 'answer',
      because: 'refused',
    });
    expect(readProgress([...refused, two, result('call')]).refusals).toBe(0);
  });

  it('all rounds used → the answer', () => {
    const rounds = Array.from({ length: 4 }, () => round(1, 'a'));
    expect(moveAfter(two, result('call'), ...rounds)).toEqual({
      do: 'answer',
      because: 'iterations',
    });
  });

  it('calls that no step of this plan made → are no results of it', () => {
    const { done } = readProgress([
      two,
      result('call'),
      ran(7, 'a'),
      result('call_1'),
      ran(1, 'z'),
    ]);
    expect(done.size).toBe(0);
  });

  it('two plans in one answer → the first counts', () => {
    const both: TranscriptMessage = {
      ...(two as Extract<TranscriptMessage, { role: 'assistant' }>),
      toolCalls: ['one', 'other'].map((id) => ({
        id,
        name: 'make_plan',
        arguments: JSON.stringify({ steps: [step(id)] }),
      })),
    };
    const { plan, revision } = readProgress([both, result('one'), result('other', true)]);
    expect([plan?.steps[0]?.id, revision]).toEqual(['one', 1]);
  });

  it('ids of calls → lead back to their step; those of a model to none', () => {
    expect(stepOfCall(stepCallId(12, 3, 'fetch-1_a'))).toEqual({ revision: 3, id: 'fetch-1_a' });
    for (const id of ['call_1', 'p1-x', 'p1-2-', '']) expect(stepOfCall(id)).toBeUndefined();
  });

  it('any plan → each step runs once, after all before it', () => {
    const plans = fc
      .array(fc.array(fc.nat(11), { maxLength: 4 }), { minLength: 1, maxLength: 12 })
      .map((all) =>
        planOf(
          ...all.map((after, i) =>
            step(`s${i}`, ...after.filter((n) => n < i).map((n) => `s${n}`)),
          ),
        ),
      );
    fc.assert(
      fc.property(plans, (plan) => {
        const done = new Map<string, never>();
        let rounds = 0;
        for (let steps = nextSteps(plan, { done, failed: new Map() }); steps.length > 0; rounds++) {
          for (const { id, after } of steps) {
            expect(done.has(id)).toBe(false);
            expect(after.every((each) => done.has(each))).toBe(true);
          }
          for (const { id } of steps) done.set(id, undefined as never);
          steps = nextSteps(plan, { done, failed: new Map() });
        }
        expect(done.size).toBe(plan.steps.length);
        expect(rounds).toBe(roundsOf(plan));
      }),
    );
  });
});
