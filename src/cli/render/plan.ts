/** A planner's plan, as a list of its steps. Pure. */
import type { TimelinePlan } from '../../client/timeline.js';
import type { PlanEvent } from '../../contracts/events.js';
import { oneLine } from './clean.js';
import type { Style } from './style.js';
import { plural } from './units.js';

/** The plan and how far each of its steps has come. */
export function planLines(plan: TimelinePlan, style: Style): string[] {
  const lines = [`  ${style.bold(`plan ${plan.revision}`)} ${style.dim(headOf(plan))}`];
  const width = Math.max(...plan.steps.map(({ id }) => id.length));
  for (const { id, use, after = [], state, failure } of plan.steps) {
    const facts = [
      ...(after.length > 0 ? [`after ${after.join(', ')}`] : []),
      ...(state === 'open' ? ['not run'] : []),
    ].join(' · ');
    const why = failure
      ? ` ${style.red(`${oneLine(failure.type, 60)}: ${oneLine(failure.message, 160)}`)}`
      : '';
    lines.push(
      `    ${MARKS[state](style)} ${oneLine(id, 24).padEnd(width)}  ${oneLine(use, 64)}${facts ? ` ${style.dim(facts)}` : ''}${why}`,
    );
  }
  return lines;
}

const MARKS = {
  done: (style: Style) => style.green('✓'),
  failed: (style: Style) => style.red('✗'),
  open: (style: Style) => style.dim('·'),
};

/** One line about a plan that was made or changed. */
export function planNote(event: Exclude<PlanEvent, { type: 'plan.step' }>, style: Style): string {
  const steps = event.steps.map(({ id, use }) => `${oneLine(id, 24)} (${oneLine(use, 40)})`);
  const shown = steps.length > 6 ? [...steps.slice(0, 6), '…'] : steps;
  return style.dim(
    `(plan ${event.revision}, ${plural(steps.length, 'step')}${because(event)}: ${shown.join(', ')})`,
  );
}

function headOf(plan: TimelinePlan): string {
  const goal = plan.goal === undefined ? '' : ` · ${oneLine(plan.goal, 160)}`;
  return `· ${plural(plan.steps.length, 'step')}${because(plan)}${goal}`;
}

function because(plan: {
  readonly revision: number;
  readonly because?: string;
  readonly failed?: readonly string[];
}): string {
  if (plan.because === undefined) return '';
  if (plan.because === 'continued') return ', continued';
  return `, because ${(plan.failed ?? []).map((id) => oneLine(id, 24)).join(', ') || 'a step'} failed`;
}
