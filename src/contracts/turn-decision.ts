/**
 * What comes next in a turn: the one place that decides it. The workflow follows it, and so does
 * the activity that makes several steps in a row, with tighter limits. Pure: the sandbox imports it.
 */
import type { AgentLimits } from './agent.js';
import type { FailureType } from './failures.js';
import type { FinishReason } from './message.js';

/** A tool call, as far as it decides what comes next. */
export interface CallProgress {
  /** Its result is in the transcript. */
  readonly settled: boolean;
  /** It could only be answered with its own error: unknown, malformed, against the schema. */
  readonly invalid: boolean;
}

/** How the last step ended. `compacted`: a summary stands for old turns now. */
export type LastStep =
  | { readonly outcome: 'tools'; readonly calls: readonly CallProgress[] }
  | { readonly outcome: Exclude<FinishReason, 'tools'> | 'duplicate' | 'compact' | 'compacted' };

/** What a turn has done so far. */
export interface TurnProgress {
  /** Model calls made. */
  readonly steps: number;
  /** Steps in a row in which every tool call was wrong. */
  readonly repairs: number;
  /** Time at work, ms. Waiting for a person is not work. */
  readonly workedMs: number;
  /** Micro-dollars. */
  readonly costMicros: number;
  /** The context was compacted and no step has fitted since. */
  readonly compacted: boolean;
  /** Absent before the first step. */
  readonly last?: LastStep;
}

/** How far a turn may go. */
export interface TurnLimits {
  readonly maxSteps: number;
  readonly maxTurnMs: number;
  /** Absent: any. */
  readonly maxCostMicros?: number;
  readonly maxRepairs: number;
}

/** What others want of the session at this moment. */
export interface Situation {
  /** Somebody has paused it. */
  readonly paused: boolean;
  /** The history has grown so far that the turn should go on in another run. */
  readonly full: boolean;
  /** Messages wait that steer the turn: they join it with its next step. */
  readonly steering?: boolean;
  /** It waits in line for a slot of its pool. */
  readonly queued?: boolean;
}

/** What comes next. */
export type Decision =
  | { readonly do: 'model' }
  | { readonly do: 'tools' }
  | { readonly do: 'compact' }
  /** The messages that steer the turn: the next step is made with them. */
  | { readonly do: 'join' }
  /** Until the session is resumed. */
  | { readonly do: 'wait' }
  /** Until there is a slot. */
  | { readonly do: 'queue' }
  /** In the next run of the workflow. */
  | { readonly do: 'carry' }
  | { readonly do: 'end'; readonly outcome: Exclude<FinishReason, 'tools'> | 'duplicate' }
  | { readonly do: 'fail'; readonly type: FailureType; readonly message: string };

export const NO_PROGRESS: TurnProgress = {
  steps: 0,
  repairs: 0,
  workedMs: 0,
  costMicros: 0,
  compacted: false,
};

/** Limits of an agent, as they are looked at. */
export function turnLimits({
  maxSteps,
  maxTurnMs,
  maxTurnCostUsd,
  maxRepairs,
}: AgentLimits): TurnLimits {
  return {
    maxSteps,
    maxTurnMs,
    maxRepairs,
    ...(maxTurnCostUsd === undefined ? {} : { maxCostMicros: maxTurnCostUsd * 1e6 }),
  };
}

/** A tool call as the result of a step lists it. */
interface CallOfStep {
  /** Set when it has run. */
  readonly done?: string;
  readonly invalid?: true;
}

/** How a step ended, by its result. `settled` says which of its calls have their results in place. */
export function lastStep(
  result: {
    readonly outcome: FinishReason | 'compact' | 'duplicate' | 'queued';
    readonly calls?: readonly CallOfStep[];
  },
  settled: (call: CallOfStep) => boolean,
): LastStep {
  const { outcome, calls = [] } = result;
  if (outcome === 'queued') throw new Error('A step that waits in line was not made.');
  if (outcome !== 'tools') return { outcome };
  // An answer that calls nothing ends the turn, whatever its reason says.
  if (calls.length === 0) return { outcome: 'stop' };
  return {
    outcome,
    calls: calls.map((call) => ({ settled: settled(call), invalid: call.invalid ?? false })),
  };
}

/** The progress after a step. */
export function afterStep(
  progress: TurnProgress,
  last: LastStep,
  spent: { readonly workedMs: number; readonly costMicros: number },
): TurnProgress {
  const wrong =
    last.outcome === 'tools' && last.calls.length > 0 && last.calls.every((call) => call.invalid);
  const compaction = last.outcome === 'compact' || last.outcome === 'compacted';
  return {
    // A step that did not fit is made again.
    steps: progress.steps + (compaction ? 0 : 1),
    repairs: compaction ? progress.repairs : wrong ? progress.repairs + 1 : 0,
    workedMs: progress.workedMs + spent.workedMs,
    costMicros: progress.costMicros + spent.costMicros,
    compacted: last.outcome === 'compacted' || (compaction && progress.compacted),
    last,
  };
}

/** What comes next in a turn that has come so far. */
export function decide(progress: TurnProgress, limits: TurnLimits, now: Situation): Decision {
  const { last } = progress;
  if (last && isFinal(last)) return { do: 'end', outcome: last.outcome };
  // Nothing else may be done: also a compaction calls the model.
  if (now.queued) return { do: now.full ? 'carry' : now.paused ? 'wait' : 'queue' };
  if (last?.outcome === 'tools') {
    if (last.calls.some(({ settled }) => !settled)) return { do: 'tools' };
    if (progress.repairs > limits.maxRepairs) {
      return {
        do: 'fail',
        type: 'Turn.RepairsExhausted',
        message: `Every tool call of ${progress.repairs} steps in a row was wrong.`,
      };
    }
  }
  if (last?.outcome === 'compact') {
    if (!progress.compacted) return { do: 'compact' };
    return {
      do: 'fail',
      type: 'Model.ContextOverflow',
      message:
        'The conversation does not fit the context window of the model, even after compaction.',
    };
  }
  if (now.full) return { do: 'carry' };
  if (now.paused) return { do: 'wait' };
  const over = overLimit(progress, limits);
  if (over) return over;
  return now.steering && progress.steps > 0 ? { do: 'join' } : { do: 'model' };
}

/** What is left of the limits. */
export interface Remaining {
  readonly steps: number;
  readonly ms: number;
  /** Absent where money is not limited. */
  readonly costMicros?: number;
}

export function remaining(
  { steps, workedMs, costMicros }: TurnProgress,
  limits: TurnLimits,
): Remaining {
  return {
    steps: limits.maxSteps - steps,
    ms: limits.maxTurnMs - workedMs,
    ...(limits.maxCostMicros === undefined
      ? {}
      : { costMicros: limits.maxCostMicros - costMicros }),
  };
}

function overLimit(progress: TurnProgress, limits: TurnLimits): Decision | undefined {
  const left = remaining(progress, limits);
  if (left.steps <= 0) {
    return {
      do: 'fail',
      type: 'Turn.StepLimit',
      message: `The turn has made its ${limits.maxSteps} steps, and the model still calls tools.`,
    };
  }
  if (left.ms <= 0) {
    return {
      do: 'fail',
      type: 'Turn.TimeLimit',
      message: `The turn has worked for ${progress.workedMs} ms of ${limits.maxTurnMs} ms.`,
    };
  }
  if (left.costMicros !== undefined && left.costMicros <= 0) {
    return {
      do: 'fail',
      type: 'Turn.CostLimit',
      message: `The turn has cost ${progress.costMicros / 1e6} USD of ${limits.maxCostMicros! / 1e6} USD.`,
    };
  }
  return undefined;
}

function isFinal(
  last: LastStep,
): last is { outcome: Exclude<FinishReason, 'tools'> | 'duplicate' } {
  return last.outcome !== 'tools' && last.outcome !== 'compact' && last.outcome !== 'compacted';
}
