/** Waiting for a worker: a call to a session is answered by one, and there may be none. */
import type { CommandContext } from './context.js';

/** A worker that is there answers in less, even a busy one. ms. */
const SAY_AFTER_MS = 5_000;

/** `promise`, with a sentence on standard error when it takes long. */
export async function patient<T>({ terminal }: CommandContext, promise: Promise<T>): Promise<T> {
  const timer = setTimeout(() => {
    terminal.note(
      'No worker has answered yet. Still waiting. Is one running? (`perdura dev`, or `perdura worker`)',
    );
  }, SAY_AFTER_MS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** `promise`, or undefined as soon as `signal` is aborted. */
export async function unlessAborted<T>(
  signal: AbortSignal,
  promise: Promise<T>,
): Promise<T | undefined> {
  let abort = () => {};
  const aborted = new Promise<undefined>((resolve) => {
    abort = () => resolve(undefined);
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
    // A later rejection has no other handler.
    promise.catch(() => undefined);
  }
}
