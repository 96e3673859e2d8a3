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
 * same way, for a sub-agent; such a tool is made of an agent's declaration only. `client`: it waits
 * for the holder of the session, such as a browser or an editor, who runs the tool (`session.serve`).
 * `person`: it waits for somebody who answers it in the inbox (`runtime.inbox`).
 */
export type ToolRun = 'local' | 'activity' | 'workflow' | 'client' | 'agent' | 'person';

/** Who answers a call that waits. Absent: anybody. */
export type AnsweredBy = 'client' | 'person';

/** Whether nothing runs the call: it waits until somebody outside answers it. */
export function isAnswered(run: ToolRun): boolean {
  return run === 'workflow' || run === 'client' || run === 'person';
}

/** Whether nothing runs the call: it waits for an answer from outside, or of sub-agents. */
export function waitsForAnswer(run: ToolRun): boolean {
  return isAnswered(run) || run === 'agent';
}

/** Who answers the calls of a tool that runs so. */
export function answeredBy(run: ToolRun): { readonly by?: AnsweredBy } {
  return run === 'client' || run === 'person' ? { by: run } : {};
}

/** A JSON Schema document. */
export type JsonSchema = { readonly [key: string]: unknown };
