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
 * months if need be, until somebody answers it (`session.answer`). `agent`: the call waits in the
 * same way, for a sub-agent; such a tool is made of an agent's declaration only.
 */
export type ToolRun = 'local' | 'activity' | 'workflow' | 'agent';

/** Whether a call of such a tool waits for an answer instead of being run. */
export function waitsForAnswer(run: ToolRun): boolean {
  return run === 'workflow' || run === 'agent';
}

/** A JSON Schema document. */
export type JsonSchema = { readonly [key: string]: unknown };
