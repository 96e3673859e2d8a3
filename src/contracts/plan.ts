/**
 * A plan as data: steps with dependencies and typed arguments, which may refer to the outputs of
 * earlier steps. How far it has come is read from the transcript of the turn and nothing else, so a
 * retry, another worker and a replay find the same. Pure; what the steps may use is checked in
 * `src/planner`.
 */
import { jsonOf } from './plan-arguments.js';
import { parsePlan, type Plan, type PlanStep } from './plan-form.js';
import type { ToolMessage, TranscriptMessage } from './message.js';
import type { RuntimePolicy } from './policy.js';

/** The tool by which a model hands in its plan. */
export const PLAN_TOOL = 'make_plan';
/** Stands for a step that must not run as it is; its result says why. */
export const PROBLEM_TOOL = 'plan_problem';
/** Names the author of the calls that the steps of a plan become: no model has said them. */
export const PLANNER_MODEL = 'perdura-planner';

/** Most steps that run at the same time. */
export const MOST_AT_ONCE = 16;
/** So many plans in a row may be refused. */
const MOST_REFUSALS = 3;

/** What a step left. */
export interface StepResult {
  readonly id: string;
  /** Plan that had the step, from 1. */
  readonly revision: number;
  readonly message: ToolMessage;
}

/** How far the plan of a turn has come. */
export interface PlanProgress {
  /** Plans accepted in this turn. */
  readonly revision: number;
  /** The newest of them. */
  readonly plan?: Plan;
  /** Results of all plans of the turn that count: `done` for good, `failed` in the newest plan. */
  readonly done: ReadonlyMap<string, StepResult>;
  readonly failed: ReadonlyMap<string, StepResult>;
  /** Rounds of steps that have run. */
  readonly rounds: number;
  /** Plans that were accepted after a step had failed. */
  readonly replans: number;
  /** Plans refused since one was accepted. */
  readonly refusals: number;
}

export const NO_PLAN: PlanProgress = {
  revision: 0,
  done: new Map(),
  failed: new Map(),
  rounds: 0,
  replans: 0,
  refusals: 0,
};

/** What the planner does next. */
export type PlanMove =
  /** Ask the model for a plan, or for the answer. */
  | { readonly do: 'plan'; readonly because: 'start' | 'failed' | 'done' }
  | { readonly do: 'run'; readonly steps: readonly PlanStep[] }
  /** Ask the model for the answer: there is no other plan. */
  | { readonly do: 'answer'; readonly because: 'refused' | 'replans' | 'iterations' };

const CALL_ID = /^p\d+-(\d+)-([A-Za-z0-9_-]{1,24})$/;

/** Id of the call that a step becomes; unique in a session. */
export function stepCallId(turn: number, revision: number, step: string): string {
  return `p${turn}-${revision}-${step}`;
}

/** The step behind a call; `undefined` for a call of a model. */
export function stepOfCall(callId: string): { revision: number; id: string } | undefined {
  const [, revision, id] = CALL_ID.exec(callId) ?? [];
  return id === undefined ? undefined : { revision: Number(revision), id };
}

/** What comes next. */
export function nextMove(
  progress: PlanProgress,
  { maxReplanAttempts, maxIterations }: Pick<RuntimePolicy, 'maxReplanAttempts' | 'maxIterations'>,
): PlanMove {
  const { plan, failed, rounds, replans, refusals } = progress;
  if (refusals >= MOST_REFUSALS) return { do: 'answer', because: 'refused' };
  if (!plan) return { do: 'plan', because: 'start' };
  if (failed.size > 0) {
    return replans < maxReplanAttempts && rounds < maxIterations
      ? { do: 'plan', because: 'failed' }
      : { do: 'answer', because: replans < maxReplanAttempts ? 'iterations' : 'replans' };
  }
  const steps = nextSteps(plan, progress);
  if (steps.length > 0) {
    return rounds < maxIterations ? { do: 'run', steps } : { do: 'answer', because: 'iterations' };
  }
  return rounds < maxIterations
    ? { do: 'plan', because: 'done' }
    : { do: 'answer', because: 'iterations' };
}

/** The steps that can run now: not run yet, and all before them are done. */
export function nextSteps(
  plan: Plan,
  { done, failed }: Pick<PlanProgress, 'done' | 'failed'>,
): readonly PlanStep[] {
  return plan.steps
    .filter(({ id }) => !done.has(id) && !failed.has(id))
    .filter(({ after }) => after.every((id) => done.has(id)))
    .slice(0, MOST_AT_ONCE);
}

/** How far the plan has come, by the messages of the turn, in their order. */
export function readProgress(messages: readonly TranscriptMessage[]): PlanProgress {
  let { revision, plan, rounds, replans, refusals }: PlanProgress = NO_PLAN;
  const done = new Map<string, StepResult>();
  let failed = new Map<string, StepResult>();
  /** Arguments of the plan that the newest answer hands in, by the id of its call. */
  let handedIn: { readonly callId: string; readonly args: string } | undefined;
  for (const message of messages) {
    if (message.role === 'assistant') {
      const calls = message.toolCalls ?? [];
      const planned = message.model === PLANNER_MODEL;
      if (planned) rounds += 1;
      // Of several plans in one answer the first counts.
      const call = planned ? undefined : calls.find(({ name }) => name === PLAN_TOOL);
      handedIn = call && { callId: call.id, args: call.arguments };
      continue;
    }
    if (message.role !== 'tool') continue;
    if (handedIn?.callId === message.callId) {
      const parsed = message.failure ? undefined : parsePlan(jsonOf(handedIn.args));
      if (parsed?.plan) {
        if (failed.size > 0) replans += 1;
        revision += 1;
        plan = parsed.plan;
        failed = new Map();
        refusals = 0;
      } else refusals += 1;
      continue;
    }
    const step = stepOfCall(message.callId);
    if (step?.revision !== revision || !plan?.steps.some(({ id }) => id === step.id)) continue;
    const result = { ...step, message };
    if (message.failure) failed.set(step.id, result);
    else done.set(step.id, result);
  }
  return { revision, ...(plan ? { plan } : {}), done, failed, rounds, replans, refusals };
}
