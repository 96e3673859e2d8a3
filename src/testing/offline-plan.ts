/**
 * The offline model as a planner: makes plans of the same rules by which it calls tools, hands in
 * another one when a step has failed and the question says what to do then, and answers from the
 * results. Pure, and without memory.
 */
import type { ScriptedCall, ScriptedResponse } from './scripted-response.js';
import { list, record } from './seen-request.js';
import type { SeenTool } from './seen-request.js';
import { fileStep } from './offline-files.js';
import { instructedSteps, OTHERWISE } from './offline-role.js';
import { commandedCalls, describeResults, sumCall, sumIn } from './offline-tools.js';
import { callId } from './offline-turn.js';
import type { Done, Turn } from './offline-turn.js';

/** Names of the planner's own, which are no results. */
const OWN = new Set(['make_plan', 'plan_problem']);

/** The next plan, or the final text; nothing for a request that is no planner's. */
export function planStep(turn: Turn): ScriptedResponse | undefined {
  const { request } = turn;
  const marked = /^# What your steps can use$/m.exec(request.system);
  if (!marked) return undefined;
  const tools = capabilitiesIn(request.system.slice(marked.index));
  const done = turn.done.filter(({ call }) => !OWN.has(call.name));
  const world: Turn = { ...turn, tools, done };
  const plans = turn.done.filter(({ call }) => call.name === 'make_plan');
  const mayPlan = turn.tools.some(({ name }) => name === 'make_plan');
  const calls = mayPlan ? nextCalls(world, plans, failedIn(request.messages)) : [];
  if (calls.length === 0) {
    const last = plans.at(-1);
    if (!last) return undefined;
    if (wasRefused(last)) return { text: `I could not plan that. ${last.result}` };
    const shown = turn.done.filter(({ call }) => call.name !== 'make_plan');
    return { text: results({ ...world, done: shown }) };
  }
  const first = plans.reduce((sum, { call }) => sum + stepsIn(call.arguments).length, 0) + 1;
  const steps = calls.map((call, i) => stepOf(call, `s${first + i}`));
  return {
    toolCalls: [
      {
        id: callId(turn, 0),
        name: 'make_plan',
        arguments: { goal: turn.question.slice(0, 120), steps },
      },
    ],
  };
}

function nextCalls(world: Turn, plans: Turn['done'], failed: boolean): readonly ScriptedCall[] {
  const [first = '', instead] = world.question.split(OTHERWISE);
  if (plans.some(wasRefused)) return [];
  if (failed) {
    if (plans.length > 1) return [];
    return instead === undefined
      ? instructedSteps(world, 'failed')
      : commandedCalls({ ...world, question: instead });
  }
  const commands = commandedCalls({ ...world, question: first });
  if (commands.length > 0) return plans.length === 0 ? commands : [];
  const told = plans.length === 0 ? instructedSteps(world, 'first') : [];
  if (told.length > 0) return told;
  const files = fileStep(world);
  if (files) return 'calls' in files ? files.calls : [];
  if (plans.length > 0) return [];
  const sum = sumIn(world.question);
  const call = sum && sumCall(world, sum);
  return call ? [call] : [];
}

function wasRefused({ result }: Done): boolean {
  return result.startsWith('The plan was not accepted');
}

function results(world: Turn): string {
  const files = fileStep(world);
  return files && 'text' in files ? files.text : describeResults(world, 2_000);
}

/** Whether the planner has said that a step failed, behind the last results. */
function failedIn(messages: Turn['request']['messages']): boolean {
  const note = messages.at(-1);
  return note?.role === 'user' && /^\[planner\] .*\bFailed: /s.test(note.text);
}

function stepOf({ name, arguments: args = {} }: ScriptedCall, id: string): object {
  return { id, use: name, args: typeof args === 'string' ? objectOf(args) : args };
}

function stepsIn(written: string): readonly unknown[] {
  return list(objectOf(written).steps);
}

function objectOf(written: string): Readonly<Record<string, unknown>> {
  try {
    return record(JSON.parse(written));
  } catch {
    return {};
  }
}

/** "## name (facts)\ndescription\nargs: {schema}", as the planner lists them, and what it may not use. */
function capabilitiesIn(text: string): SeenTool[] {
  const [, held = ''] = /^Not to be used: (.+)\.$/m.exec(text) ?? [];
  const usable = text
    .split(/^## /m)
    .slice(1)
    .flatMap((section) => {
      const [, name] = /^([\w-]+)/.exec(section) ?? [];
      const [, schema] = /^args: (\{.*\})$/m.exec(section) ?? [];
      if (name === undefined) return [];
      const description = section.split('\n')[1] ?? '';
      return [{ name, description, parameters: objectOf(schema ?? '{}') }];
    });
  // It plays a model that does what it is asked to, whatever it was told.
  const forbidden = held.split(', ').filter((name) => name !== '');
  return [...usable, ...forbidden.map((name) => ({ name, description: '', parameters: {} }))];
}
