/** How a model call and the tools behind it are stopped from outside, and what that is called. */
import { PerduraError } from '../../src/contracts/failures.js';
import type { StopSignals } from './call-tool.js';

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
