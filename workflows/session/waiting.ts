/**
 * Waiting within a workflow, without a timer where no time is given, and the order in which the parts
 * of one task act. Every condition of the workflows is made here (ESLint keeps `condition` out of the
 * other files): `settled` has to know when one comes true.
 */
import { CancellationScope, condition as sdkCondition, patched } from '@temporalio/workflow';

/** In the history of a run whose handlers act after the rest of their task. */
const HANDLERS_LAST = 'perdura-handlers-last';

/** What the tasks of one workflow share. */
interface Tasks {
  /** Conditions that have come true. */
  met: number;
  handlersLast?: boolean;
  /** What all handlers of a task wait for: were it not the same, they would not act in their order. */
  settling?: Promise<void> | undefined;
  resolved?: Promise<void>;
  /** One for the run. A cancellation of the workflow must not be a handler's failure. */
  uncancelled?: CancellationScope;
}

/**
 * Of this workflow. Its global object is its own; the modules are those of all workflows of a worker
 * (worker/bundle.ts), so they hold no state.
 */
function tasks(): Tasks {
  return ((globalThis as { perduraTasks?: Tasks }).perduraTasks ??= { met: 0 });
}

/** Waits for `ready`, again and again for everyone who asks. */
export async function until(ready: () => boolean): Promise<void> {
  if (!ready()) await condition(ready);
}

/** As the SDK's: waits for `ready`. With `ms` at most so long, and answers whether it came. */
export function condition(ready: () => boolean): Promise<void>;
export function condition(ready: () => boolean, ms: number): Promise<boolean>;
export function condition(ready: () => boolean, ms?: number): Promise<void | boolean> {
  const counted = () => {
    const now = ready();
    if (now) tasks().met += 1;
    return now;
  };
  return ms === undefined ? sdkCondition(counted) : sdkCondition(counted, ms);
}

/**
 * Whether the handlers of this run act after the rest of their task. Recorded when it is first asked:
 * a run that was begun without the rule goes on without it.
 */
export function actsLast(): boolean {
  return (tasks().handlersLast ??= patched(HANDLERS_LAST));
}

/**
 * Resolves when everything else that this task has brought is done: the activities, timers and
 * children that ended with it, and all that follows from them. For handlers, because at replay the
 * SDK may hand them out before the end of an activity that came in an earlier task
 * (docs/architecture.md, "What can be replayed"). Handlers of one task go on in the order in which
 * they came.
 */
export function settled(): Promise<void> {
  const now = tasks();
  return (now.settling ??= settle(now));
}

/** Whether handlers of this task, or what follows them, have not acted yet. */
export function isSettling(): boolean {
  return tasks().settling !== undefined;
}

/**
 * Does `act` when the handlers of this task have acted: for the end of a workflow that has sent a signal
 * before. The signal comes first in the history, and its handler would act second.
 */
export function afterHandlers(act: () => void): void {
  if (actsLast()) void settled().then(act);
  else act();
}

/**
 * Made of few promises: Temporal's worker takes a stack trace of each that a workflow makes, which is
 * most of what a task costs.
 */
function settle(now: Tasks): Promise<void> {
  return new Promise((resolve) => {
    const round = () => {
      const before = now.met;
      // Not before what is under way has come as far as it gets, and the SDK looks again.
      void nextLook(now).then(() => {
        if (now.met !== before) return round();
        now.settling = undefined;
        resolve();
      });
    };
    // The SDK looks at conditions after each job, too: the first one is for the time after all of them.
    void (now.resolved ??= Promise.resolve()).then(round);
  });
}

/** Resolves when the SDK looks at conditions again. */
function nextLook(now: Tasks): Promise<void> {
  let armed = false;
  now.uncancelled ??= new CancellationScope({ cancellable: false });
  // The SDK looks at once, too: then it is not armed.
  const look = now.uncancelled.run(() => sdkCondition(() => armed));
  armed = true;
  return look;
}
