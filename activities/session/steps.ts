/**
 * The steps that one activity makes. After local tools there is nothing that the workflow has to decide
 * but whether a bound is reached, so the next step follows here, as far as the workflow allows: a step
 * saves its dispatch and its events in the history. Each is written by itself, so a retry goes on with
 * the one that was cut off; where its tools are done at once, the write of its answer begins the next.
 */
import type { CallModelInput, CallModelResult } from '../../src/contracts/activities.js';
import type { Agent } from '../../src/contracts/agent.js';
import { addUsage, NO_USAGE } from '../../src/contracts/message.js';
import { answerPlace, headAfterCalls } from '../../src/contracts/places.js';
import {
  afterStep,
  decide,
  lastStep,
  NO_PROGRESS,
  type Situation,
  type TurnProgress,
} from '../../src/contracts/turn-decision.js';
import type { ActivityDeps } from '../deps.js';
import type { Execution } from '../execution.js';
import { expandInbox } from './inbox.js';
import { ModelStep, type Following, type ModelStepDeps, type StepEnd } from './model-step.js';
import { plannerStep } from './planner-step.js';
import type { RuntimeContexts } from './runtime-contexts.js';
import type { Slot } from './slots.js';
import type { StepSeries, StepSeriesDesk } from './step-series.js';
import type { StepAttempt } from './step-writes.js';
import { isStopped, type StopSignals } from './stop-signals.js';

export interface StepsDeps
  extends ModelStepDeps, Pick<ActivityDeps, 'agents' | 'tools' | 'spills'> {
  readonly runtimes: RuntimeContexts;
  readonly series: StepSeriesDesk;
}

/** What the steps of an activity have in common. */
export interface StepsWork {
  readonly execution: Execution;
  /** Of the first step. */
  readonly input: CallModelInput;
  readonly agent: Agent;
  /** The agent as the caller of a sub-agent asks for it. */
  readonly asked: Agent;
  readonly stop: StopSignals;
  readonly series: StepSeries;
  /** When the activity began, ms since the epoch. */
  readonly startedAt: number;
  /** Of the pool of the agent; absent without one. */
  readonly slot?: Slot;
}

export class Steps {
  readonly #deps: StepsDeps;
  readonly #work: StepsWork;

  constructor(deps: StepsDeps, work: StepsWork) {
    this.#deps = deps;
    this.#work = work;
  }

  /** The last step's result, with those of the steps before it. */
  async run(): Promise<CallModelResult> {
    const { execution, input, slot, series } = this.#work;
    const earlier: CallModelResult[] = [];
    let progress = NO_PROGRESS;
    let begun: StepEnd | undefined;
    for (let next = input; ;) {
      let end = begun ?? (await this.#step(next, progress));
      begun = await end.next?.run();
      if (end.next && !begun) end = await end.next.instead();
      const { result, halted, found } = end;
      // Such a turn never was, and nothing else is written of it.
      if (result.outcome === 'queued') return withEarlier(earlier, result);
      if (result.outcome === 'duplicate' || input.leaves) await slot?.leave();
      // A notification may have gone down with the worker of an earlier attempt.
      const steering = series.steered || (execution.attempt > 1 && !found);
      progress = this.#after(progress, result);
      const goesOn = !execution.signal.aborted && this.#goesOn(progress, halted, steering);
      if (!begun && !goesOn) return withEarlier(earlier, result);
      earlier.push(result);
      next = following(next, result);
    }
  }

  async #step(input: CallModelInput, before: TurnProgress): Promise<StepEnd> {
    const { execution, agent, asked, stop, slot } = this.#work;
    const deps = this.#deps;
    const [tools, inbox] = await Promise.all([
      deps.tools.toolsOf(agent, execution.key.tenant),
      expandInbox(deps.spills, execution.key, input.inbox),
      deps.speakers.ready(),
      deps.series.ready(),
    ]);
    const seq = answerPlace(input.head, inbox.length);
    const unavailable = deps.tools.unavailable(agent);
    const runtime = await deps.runtimes.of(execution, agent, tools.keys());
    const place = { input, execution, inbox, seq, stop, ...(slot ? { slot } : {}) };
    const step = { ...place, agent: asked, runtime, tools, unavailable };
    if (agent.planner) return this.#planned(step);
    return new ModelStep(deps, step, this.#following(step, before)).run();
  }

  /** A step of an agent that plans. */
  async #planned(step: StepAttempt): Promise<StepEnd> {
    const { execution, input, agent, tools } = step;
    const { provider, ...own } = await plannerStep(this.#deps, execution, input, agent, tools);
    return new ModelStep({ ...this.#deps, provider }, { ...step, ...own }).run();
  }

  /** With the same tools: the answer before it waits to be written, and must not wait for a server. */
  #following(step: StepAttempt, before: TurnProgress): Following {
    return (result) => {
      const { slot, stop, series } = this.#work;
      if (slot || series.steered || isStopped(stop)) return undefined;
      const now = this.#after(before, result);
      if (!this.#goesOn(now, false, false)) return undefined;
      const input = following(step.input, result);
      const next = { ...step, input, inbox: [], seq: answerPlace(input.head, 0) };
      return { step: next, following: this.#following(next, now) };
    };
  }

  #after(before: TurnProgress, result: CallModelResult): TurnProgress {
    const last = lastStep(result, ({ done }) => done !== undefined);
    const workedMs = Date.now() - this.#work.startedAt - before.workedMs;
    return afterStep(before, last, { workedMs, costMicros: result.usage.costMicros });
  }

  /** Whether the next step needs nothing of the workflow, which counts repairs and sets the limits. */
  #goesOn(progress: TurnProgress, paused: boolean, steering: boolean): boolean {
    const { onward } = this.#work.input;
    if (!onward) return false;
    const { steps, ms, costMicros } = onward;
    const limits = {
      maxSteps: steps,
      maxTurnMs: ms,
      maxRepairs: 0,
      ...(costMicros === undefined ? {} : { maxCostMicros: costMicros }),
    };
    const now: Situation = { paused, steering, full: false };
    return decide(progress, limits, now).do === 'model';
  }
}

function withEarlier(
  earlier: readonly CallModelResult[],
  result: CallModelResult,
): CallModelResult {
  return earlier.length > 0 ? { earlier, ...result } : result;
}

/** What the workflow would have asked for next. */
function following(input: CallModelInput, result: CallModelResult): CallModelInput {
  const { inbox: _taken, joins: _joined, ...rest } = input;
  return {
    ...rest,
    step: input.step + 1,
    head: headAfterCalls(result.head, result.calls?.length ?? 0),
    spent: addUsage(input.spent ?? NO_USAGE, result.usage),
  };
}
