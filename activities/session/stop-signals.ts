/** How a model call and the tools behind it are stopped from outside, and what that is called. */
import { PerduraError } from '../../src/contracts/failures.js';
import { abortReason } from '../failures.js';

/** What stops a tool: someone who interrupts the turn, or the worker's end. */
export interface StopSignals {
  readonly signal: AbortSignal;
  readonly shutdown: AbortSignal;
}

/**
 * Temporal's one signal, as the two that a tool can be stopped by. `interrupted` is the fast
 * path of an interruption, where there is one.
 */
export function stopSignals(cancelled: AbortSignal, interrupted?: AbortSignal): StopSignals {
  const interrupt = new AbortController();
  const shutdown = new AbortController();
  const pass = () => {
    const to = abortReason(cancelled) === 'cancelled' ? interrupt : shutdown;
    to.abort(cancelled.reason);
  };
  if (cancelled.aborted) pass();
  else cancelled.addEventListener('abort', pass, { once: true });
  const signal = interrupted ? AbortSignal.any([interrupt.signal, interrupted]) : interrupt.signal;
  return { signal, shutdown: shutdown.signal };
}

/** Why a call ended that nobody interrupted: another attempt follows. */
export function handedOver(stopped: 'shutdown' | 'gone'): PerduraError {
  return stopped === 'gone'
    ? new PerduraError('Worker.Lost', 'Temporal no longer waited for this attempt at the call.')
    : new PerduraError('Worker.Shutdown', 'The worker was stopped in the call.');
}

/**
 * The signals of one step, made of those of the activity without listening to them: an activity
 * makes many steps, and a listener of each would stay until it ends.
 */
export function alsoStoppedBy(
  interrupted: AbortSignal,
  { signal, shutdown }: StopSignals,
): StopSignals {
  return {
    signal: AbortSignal.any([signal, interrupted]),
    shutdown: AbortSignal.any([shutdown]),
  };
}

export function isStopped({ signal, shutdown }: StopSignals): boolean {
  return signal.aborted || shutdown.aborted;
}
