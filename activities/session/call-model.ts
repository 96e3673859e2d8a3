/**
 * The model, called once or several times in a row. After local tools there is nothing that the
 * workflow has to decide but whether a bound is reached, so the next step follows here, as far
 * as the workflow allows: a step saves its dispatch and its events in the history. Each step is
 * written by itself, so a retry goes on with the one that was cut off.
 */
import type { CallModelInput, CallModelResult } from '../../src/contracts/activities.js';
import { addUsage, NO_USAGE } from '../../src/contracts/message.js';
import { answerPlace, headAfterCalls } from '../../src/contracts/places.js';
import {
  afterStep,
  decide,
  lastStep,
  NO_PROGRESS,
  type TurnProgress,
} from '../../src/contracts/turn-decision.js';
import { currentExecution, keepAlive } from '../execution.js';
import { askedAgent } from './asked-agent.js';
import { expandInbox } from './inbox.js';
import type { ActivityDeps } from '../deps.js';
import { stopSignals } from './stop-signals.js';
import type { RuntimeContexts } from './runtime-contexts.js';
import { ModelStep, type ModelStepDeps, type StepEnd } from './model-step.js';
import { plannerStep } from './planner-step.js';
import { slotOf, type Slot, type SlotDeps } from './slots.js';
import type { StepSeriesDesk } from './step-series.js';
import type { StepAttempt } from './step-writes.js';

export interface CallModelDeps
  extends
    ModelStepDeps,
    Pick<SlotDeps, 'pools' | 'poolSeen'>,
    Pick<ActivityDeps, 'agents' | 'tools' | 'spills'> {
  readonly settings: ModelStepDeps['settings'] & SlotDeps['settings'];
  readonly runtimes: RuntimeContexts;
  readonly series: StepSeriesDesk;
}

export async function callModel(
  deps: CallModelDeps,
  input: CallModelInput,
): Promise<CallModelResult> {
  const execution = currentExecution(input.run);
  const stopBeating = keepAlive();
  // Once for the activity, however many steps it makes: this listens to its signal.
  const stop = stopSignals(execution.signal);
  const startedAt = Date.now();
  const series = deps.series.begin(execution.key, input.stage);
  let slot: Slot | undefined;
  try {
    const agent = await deps.agents.callable(input, execution.key.tenant);
    const asked = await askedAgent(deps.agents, agent, input.run);
    slot = slotOf(deps, execution, agent, input);
    const earlier: CallModelResult[] = [];
    let progress = NO_PROGRESS;
    for (let next = input; ;) {
      const [tools, inbox] = await Promise.all([
        deps.tools.toolsOf(agent, execution.key.tenant),
        expandInbox(deps.spills, execution.key, next.inbox),
        deps.speakers.ready(),
        deps.series.ready(),
      ]);
      const seq = answerPlace(next.head, inbox.length);
      const unavailable = deps.tools.unavailable(agent);
      const runtime = await deps.runtimes.of(execution, agent, tools.keys());
      const place = { input: next, execution, inbox, seq, stop };
      const waits = slot ? { slot } : {};
      const step = { ...place, agent: asked, runtime, tools, unavailable, ...waits };
      const end = await (agent.planner ? planned(deps, step) : new ModelStep(deps, step).run());
      const { result, halted, found } = end;
      // Such a turn never was, and nothing else is written of it.
      if (result.outcome === 'queued') return earlier.length > 0 ? { earlier, ...result } : result;
      if (result.outcome === 'duplicate' || input.leaves) await slot?.leave();
      // A notification may have gone down with the worker of an earlier attempt.
      const steering = series.steered || (execution.attempt > 1 && !found);
      const last = lastStep(result, ({ done }) => done !== undefined);
      const workedMs = Date.now() - startedAt - progress.workedMs;
      progress = afterStep(progress, last, { workedMs, costMicros: result.usage.costMicros });
      if (execution.signal.aborted || !goesOn(progress, input, { paused: halted, steering })) {
        return earlier.length > 0 ? { earlier, ...result } : result;
      }
      earlier.push(result);
      next = following(next, result);
    }
  } catch (error) {
    await slot?.keepForNext();
    throw error;
  } finally {
    slot?.end();
    deps.series.end(execution.key, series);
    stopBeating();
  }
}

/** A step of an agent that plans. */
async function planned(deps: CallModelDeps, step: StepAttempt): Promise<StepEnd> {
  const { execution, input, agent, tools } = step;
  const { provider, ...own } = await plannerStep(deps, execution, input, agent, tools);
  return new ModelStep({ ...deps, provider }, { ...step, ...own }).run();
}

/** Whether the next step needs nothing of the workflow, which counts repairs and sets the limits. */
function goesOn(
  progress: TurnProgress,
  { onward }: CallModelInput,
  now: { readonly paused: boolean; readonly steering: boolean },
): boolean {
  if (!onward) return false;
  const { steps, ms, costMicros } = onward;
  const limits = {
    maxSteps: steps,
    maxTurnMs: ms,
    maxRepairs: 0,
    ...(costMicros === undefined ? {} : { maxCostMicros: costMicros }),
  };
  return decide(progress, limits, { ...now, full: false }).do === 'model';
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
