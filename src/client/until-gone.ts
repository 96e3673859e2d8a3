/**
 * Notices, while a caller waits for an answer, that the workflow that would give it is gone. A
 * terminated workflow runs no code and writes no event, so Temporal is asked, seldom, and only
 * during the wait.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PerduraError } from '../contracts/failures.js';
import type { SessionWorkflow } from './session-workflow.js';

/** Pause between two questions, ms; up to as much again at random, so that callers spread. */
const CHECK_MS = 5_000;

/** A workflow that continues as new may be unknown for a moment; one that is gone stays so. */
const UNKNOWN_TIMES = 2;

/** Resolves with why no answer can come, or with nothing once `signal` is aborted. Never rejects. */
export async function untilGone(
  workflow: SessionWorkflow,
  signal: AbortSignal,
): Promise<PerduraError | undefined> {
  for (let unknown = 0; ;) {
    const pause = CHECK_MS * (1 + Math.random());
    const waited = await sleep(pause, true, { signal, ref: false }).catch(() => false);
    if (!waited) return undefined;
    // While Temporal or the store does not answer, nothing is known and the wait continues.
    const found = await workflow.presence().catch(() => undefined);
    if (found?.is === 'ended' || found?.is === 'failed') return found.failure;
    unknown = found?.is === 'unknown' ? unknown + 1 : 0;
    if (unknown >= UNKNOWN_TIMES) return workflow.gone();
  }
}
