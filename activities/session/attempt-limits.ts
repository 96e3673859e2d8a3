/**
 * Whether another attempt at a model call may begin. What the earlier ones did is on record, and
 * is looked at before each attempt: a call that fails, times out or takes its worker with it is
 * paid each time, and the workflow sees nothing until the activity ends.
 */
import type { TurnRemainder } from '../../src/contracts/activities.js';
import { PerduraError } from '../../src/contracts/failures.js';
import { NO_USAGE, type Usage } from '../../src/contracts/message.js';
import { totalOf } from '../../src/store/attempts.js';
import type { Attempts } from '../../src/store/stores.js';
import type { Execution } from '../execution.js';
import { toFailure } from '../failures.js';

/**
 * A step may lose so many times more attempts than its model may fail: workers die of deploys and
 * of crashes elsewhere, too. But a call that kills whoever makes it must not take every worker.
 */
const LOST_PER_FAILED = 2;

/** What the earlier attempts of a step have cost. */
export interface EarlierAttempts {
  readonly usage: Usage;
}

interface StepPlace {
  readonly stage: number;
  readonly step: number;
  readonly left?: TurnRemainder;
}

/**
 * Reads what the earlier attempts of a step have cost, and throws when there may be no other one:
 * `Turn.TimeLimit`, `Turn.CostLimit`, or `Worker.Lost`. A first attempt asks nothing.
 */
export async function admitAttempt(
  { attempts, maxModelAttempts }: { attempts: Attempts; maxModelAttempts: number },
  execution: Execution,
  { stage, step, left }: StepPlace,
): Promise<EarlierAttempts> {
  const { key, run, attempt } = execution;
  if (attempt === 1) return { usage: NO_USAGE };
  const spending = await attempts.spendingOfStage({ ...key, run, stage });
  const { usage, lost } = spending.get(step) ?? { usage: NO_USAGE, lost: 0 };
  const elapsed = execution.elapsedMs();
  if (left && elapsed >= left.ms) {
    throw new PerduraError(
      'Turn.TimeLimit',
      `The turn had ${Math.max(0, left.ms)} ms left for this call and its attempts, which have taken ${Math.round(elapsed)} ms.`,
    );
  }
  const { costMicros } = totalOf(spending);
  if (left?.costMicros !== undefined && costMicros >= left.costMicros) {
    throw new PerduraError(
      'Turn.CostLimit',
      `The turn had ${left.costMicros / 1e6} USD left for this call and its attempts, which have cost ${costMicros / 1e6} USD.`,
    );
  }
  if (lost >= maxModelAttempts * LOST_PER_FAILED) {
    const lostAll = new PerduraError(
      'Worker.Lost',
      `${lost} attempts of step ${step} ended with their worker, before the model had answered.`,
    );
    throw toFailure(lostAll, false);
  }
  return { usage };
}
