/** Words about tools that the workflow sandbox needs too: no types of Node or zod in here. */

/**
 * What running the tool twice would do.
 * - `read`: changes nothing.
 * - `idempotent`: the second run changes nothing more.
 * - `keyed`: idempotent for whoever honours `context.idempotencyKey`, which stays the same
 *   over retries.
 * - `once`: must never run twice. A retry does not run it: the model is told
 *   `OUTCOME_UNKNOWN` when the first run was cut off.
 */
export type ToolEffect = 'read' | 'idempotent' | 'keyed' | 'once';

/**
 * Where the tool runs. `local`: within the worker that holds the session, for what takes less
 * than a second; no round trip to the Temporal server. `activity`: dispatched like a model
 * call, heartbeats, may take hours. `workflow`: nothing runs; the call waits, at no cost and for
 * months if need be, until somebody answers it (`session.answer`). `client`: the same, for a tool
 * that the holder of the session runs, such as a browser or an editor (`session.serve`).
 */
export type ToolRun = 'local' | 'activity' | 'workflow' | 'client';

/** Who answers a call that waits. Absent: anybody. */
export type AnsweredBy = 'client';

/** Whether nothing runs the call: it waits until it is answered. */
export function isAnswered(run: ToolRun): boolean {
  return run === 'workflow' || run === 'client';
}

/** Who answers the calls of a tool that runs so. */
export function answeredBy(run: ToolRun): { readonly by?: AnsweredBy } {
  return run === 'client' ? { by: run } : {};
}

/** A JSON Schema document. */
export type JsonSchema = { readonly [key: string]: unknown };
