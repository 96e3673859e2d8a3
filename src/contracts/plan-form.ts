/** The form of a plan: what a model wrote as a plan, or what is wrong with it, in sentences. Pure. */
import type { RuntimePolicy } from './policy.js';
import { isRecord, referencesIn, type PlanArguments } from './plan-arguments.js';

/** Most steps of a plan. */
export const MOST_STEPS = 32;
const STEP_ID = /^[A-Za-z0-9_-]{1,24}$/;

export interface PlanStep {
  /** 1–24 of `A-Z a-z 0-9 _ -`. */
  readonly id: string;
  /** Name of a capability. */
  readonly use: string;
  readonly args: PlanArguments;
  /** Steps that come before it, those that its arguments refer to included. */
  readonly after: readonly string[];
  /** For people. */
  readonly why?: string;
}

export interface Plan {
  readonly goal?: string;
  readonly steps: readonly PlanStep[];
}

/**
 * A plan of what a model wrote, or what is wrong with its form, in sentences. References become
 * dependencies. Does not look at what the steps use.
 */
export function parsePlan(
  value: unknown,
): { readonly plan: Plan; readonly problems?: undefined } | Refused {
  const { goal, steps } = record(value);
  if (!Array.isArray(steps)) return refused('"steps" must be a list of steps.');
  if (steps.length === 0) return refused('The plan has no steps. Answer without a plan instead.');
  if (steps.length > MOST_STEPS) {
    return refused(`The plan has ${steps.length} steps; at most ${MOST_STEPS} are allowed.`);
  }
  const problems: string[] = [];
  const parsed = steps.map((step: unknown, index): PlanStep => {
    const { id, use, args = {}, after = [], why } = record(step);
    const name = typeof id === 'string' && STEP_ID.test(id) ? id : undefined;
    const at = `Step ${name === undefined ? index + 1 : `"${name}"`}`;
    if (name === undefined) {
      problems.push(`${at} needs an "id" of 1 to 24 of A-Z, a-z, 0-9, "_" and "-".`);
    }
    if (typeof use !== 'string') problems.push(`${at} needs a "use": the name of a capability.`);
    if (!isRecord(args)) problems.push(`${at}: "args" must be an object.`);
    const named = isTexts(after) ? after : [];
    if (named !== after) problems.push(`${at}: "after" must be a list of ids of steps.`);
    const checked = isRecord(args) ? args : {};
    const { found, wrong } = referencesIn(checked);
    problems.push(...wrong.map((text) => `${at}: ${text}`));
    return {
      id: name ?? String(index + 1),
      use: typeof use === 'string' ? use : '',
      args: checked,
      after: [...new Set([...named, ...found.map(({ from }) => from)])],
      ...(typeof why === 'string' && why.trim() !== '' ? { why } : {}),
    };
  });
  if (problems.length > 0) return { problems };
  return {
    plan: {
      ...(typeof goal === 'string' && goal.trim() !== '' ? { goal } : {}),
      steps: parsed,
    },
  };
}

/** What is wrong with the order of a plan, in sentences: ids, dependencies, cycles, length. */
export function orderProblems(
  plan: Plan,
  { done, rounds }: { readonly done: ReadonlyMap<string, unknown>; readonly rounds: number },
  { maxIterations }: Pick<RuntimePolicy, 'maxIterations'>,
): string[] {
  const problems: string[] = [];
  const ids = new Set<string>();
  for (const { id } of plan.steps) {
    if (ids.has(id)) problems.push(`There are two steps "${id}". Give each its own id.`);
    if (done.has(id)) {
      problems.push(`Step "${id}" is done: refer to its output, or give the new step another id.`);
    }
    ids.add(id);
  }
  for (const { id, after } of plan.steps) {
    for (const other of after) {
      if (ids.has(other) || done.has(other)) continue;
      problems.push(`Step "${id}" comes after "${other.slice(0, 40)}", which is no step.`);
    }
  }
  if (problems.length > 0) return problems;
  const cycle = cycleIn(plan);
  if (cycle) return [`The steps ${cycle.map((id) => `"${id}"`).join(', ')} wait for each other.`];
  const needed = roundsOf(plan);
  const left = maxIterations - rounds;
  return needed > left
    ? [
        `The plan takes ${needed} rounds one after the other, and ${left} of ${maxIterations} are left. Make a shorter one, with more steps side by side.`,
      ]
    : [];
}

/** Rounds that a plan takes, by its longest chain. For a plan without cycles. */
export function roundsOf(plan: Plan): number {
  const byId = new Map(plan.steps.map((step) => [step.id, step]));
  const depths = new Map<string, number>();
  const depth = (id: string): number => {
    const step = byId.get(id);
    if (!step) return 0;
    const known = depths.get(id);
    if (known !== undefined) return known;
    const made = 1 + Math.max(0, ...step.after.map(depth));
    depths.set(id, made);
    return made;
  };
  return Math.max(0, ...plan.steps.map(({ id }) => depth(id)));
}

/** Steps that wait for each other; `undefined` for none. */
function cycleIn({ steps }: Plan): string[] | undefined {
  let open = steps;
  for (;;) {
    const ids = new Set(open.map(({ id }) => id));
    const waiting = open.filter(({ after }) => after.some((id) => ids.has(id)));
    if (waiting.length === open.length) return open.length > 0 ? [...ids] : undefined;
    open = waiting;
  }
}

interface Refused {
  readonly plan?: undefined;
  readonly problems: readonly string[];
}

function refused(...problems: string[]): Refused {
  return { problems };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function record(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}
