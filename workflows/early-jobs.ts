/**
 * Keeps what comes too early until its workflow task comes. A query that finds its workflow in no cache
 * makes Temporal's worker (SDK 1.24) read the whole history, also events that no workflow task has
 * delivered yet, and hand them out. The workflow would act on them, stay in the cache, and meet the rest
 * of their task by itself; a replay hands out all of a task at once, so commands would be in another
 * order, and the session could never go on. So such jobs wait here for the rest of their task.
 */
import type { ActivateInput, WorkflowInterceptors } from '@temporalio/workflow';

type Activation = ActivateInput['activation'];
type Job = NonNullable<Activation['jobs']>[number];

/** Of the workflow task that was delivered last. */
interface Delivered {
  readonly length: number;
  /** Bytes of the history; the server counts none in versions before 1.20. */
  readonly size: string;
  /** When the task was started. */
  readonly time: string;
}

/** One for each workflow. */
export function interceptors(): WorkflowInterceptors {
  let delivered: Delivered | undefined;
  const early: Job[] = [];
  return {
    internals: [
      {
        activate(input, next) {
          const jobs = input.activation.jobs ?? [];
          if (jobs.length > 0 && jobs.every(({ queryWorkflow }) => queryWorkflow)) {
            return next(input);
          }
          const now = deliveredBy(input.activation);
          if (!input.activation.isReplaying && delivered && isEarly(now, delivered)) {
            // The query is answered as of the task before.
            early.push(...jobs.splice(0));
          } else {
            delivered = now;
            jobs.unshift(...early.splice(0));
            jobs.sort((a, b) => placeOf(a) - placeOf(b));
          }
          next(input);
        },
      },
    ],
  };
}

function deliveredBy({ historyLength, historySizeBytes, timestamp }: Activation): Delivered {
  return {
    length: Number(historyLength ?? 0),
    size: String(historySizeBytes ?? 0),
    time: `${String(timestamp?.seconds ?? 0)}.${timestamp?.nanos ?? 0}`,
  };
}

/**
 * Events have come, and the start of a workflow task is not among them: it brings a time and a size of
 * its own.
 */
function isEarly(now: Delivered, before: Delivered): boolean {
  return (
    now.length > before.length &&
    now.time === before.time &&
    now.size === before.size &&
    now.size !== '0'
  );
}

/** As Temporal's core sorts the jobs of an activation (`workflow/mod.rs`). The sort is stable. */
function placeOf(job: Job): number {
  if (job.initializeWorkflow) return 0;
  if (job.notifyHasPatch) return 1;
  if (job.updateRandomSeed) return 2;
  if (job.signalWorkflow ?? job.doUpdate) return 3;
  return job.resolveActivity?.isLocal ? 5 : 4;
}
