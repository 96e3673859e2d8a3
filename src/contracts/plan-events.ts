/** What of a plan becomes a durable event, by the call that brought it and its result. Pure. */
import type { PlanEvent, StepPlace } from './events.js';
import type { ToolCall, ToolMessage } from './message.js';
import { jsonOf } from './plan-arguments.js';
import { parsePlan } from './plan-form.js';
import { PLAN_TOOL, PROBLEM_TOOL, stepOfCall } from './plan.js';
import { clip } from './text.js';

/** Longest text of a plan in an event, UTF-16 units. */
const SHOWN = 200;

/**
 * The event of a call of a planner's turn; none for a plan that was refused. `planned`: a step of a
 * plan is behind the call, and not the model.
 */
export function planEvent(
  place: StepPlace,
  call: ToolCall,
  result: ToolMessage,
  planned: boolean,
): PlanEvent | undefined {
  const at = { turn: place.turn, step: place.step };
  if (planned) {
    const step = stepOfCall(call.id);
    if (!step) return undefined;
    return {
      type: 'plan.step',
      ...at,
      ...step,
      use: usedBy(call),
      callId: call.id,
      state: result.failure ? 'failed' : 'done',
      ...(result.failure ? { failure: result.failure } : {}),
    };
  }
  if (call.name !== PLAN_TOOL || result.failure) return undefined;
  const { plan } = parsePlan(jsonOf(call.arguments));
  const { revision, because, failed } = record(jsonOf(textOf(result)));
  if (!plan || typeof revision !== 'number') return undefined;
  const told = {
    ...at,
    revision,
    ...(plan.goal === undefined ? {} : { goal: clip(plan.goal, SHOWN) }),
    steps: plan.steps.map(({ id, use, after, why }) => ({
      id,
      use: clip(use, 64),
      ...(after.length > 0 ? { after } : {}),
      ...(why === undefined ? {} : { why: clip(why, SHOWN) }),
    })),
  };
  if (revision === 1) return { type: 'plan.made', ...told };
  return {
    type: 'plan.changed',
    ...told,
    because: because === 'failed' ? 'failed' : 'continued',
    ...(Array.isArray(failed) ? { failed: failed.map(String) } : {}),
  };
}

/** What the step wanted to use, also where it could not run. */
function usedBy({ name, arguments: args }: ToolCall): string {
  const { use } = name === PROBLEM_TOOL ? record(jsonOf(args)) : { use: name };
  return clip(typeof use === 'string' ? use : name, 64);
}

/** The text of a result. */
export function textOf({ content }: ToolMessage): string {
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
