/**
 * Whose work an activity does. A workflow states it with each call, so that no activity guesses a
 * tenant from the shape of a workflow id. Pure: the sandbox imports it.
 */
import type { AskedBy } from './delegation.js';
import { fnv1a64, type SessionKey } from './ids.js';

/** A session; a workflow of an application; several agents that work together. */
export type RunKind = 'session' | 'execution' | 'group';

/**
 * A run of an agent or of several. It stands in the input of every activity, so what can be derived
 * is absent: see {@link keyOf} and {@link transcriptOf}.
 */
export interface RunReference {
  readonly tenant: string;
  /** Absent: `session`. */
  readonly kind?: Exclude<RunKind, 'session'>;
  /** Name of the session, or id of the workflow. */
  readonly id: string;
  /** Which transcript of the run. Absent for its own, which has no other name than the run. */
  readonly transcript?: string;
  /** The run that it was started by, as {@link runName} has it. Absent: nobody's child. */
  readonly parent?: string;
  /** The run at the top of the tree. Absent where that is the parent, or the run itself. */
  readonly root?: string;
  /** The store has a context of this session: see `GivenContext`. Absent: it was given none. */
  readonly context?: true;
  /** Whose sub-agent it is, where that states the shape of its answers. */
  readonly asked?: AskedBy;
}

/** Longest part of a workflow id that a key has as it is; a longer one ends in a hash. */
const MOST_ID_UNITS = 200;

export function kindOf({ kind }: RunReference): RunKind {
  return kind ?? 'session';
}

/** What a workflow of an application is known by. */
export function executionReference(tenant: string, workflowId: string): RunReference {
  return { tenant, kind: 'execution', id: workflowId };
}

/** One run among all: `session/notes`, `execution/review-7`. */
export function runName(run: RunReference): string {
  return `${kindOf(run)}/${run.id}`;
}

/** The session of a run name; `undefined` for another kind of run. */
export function sessionOfRun(run: string | undefined): string | undefined {
  return run?.startsWith('session/') ? run.slice('session/'.length) : undefined;
}

/**
 * Where the store keeps what a run has done. No session can have the name that another kind gets
 * here, since it has a colon.
 */
export function keyOf(run: RunReference): SessionKey {
  const { tenant, kind, id, transcript } = run;
  if (kind === undefined) return { tenant, session: id };
  const name = id.length <= MOST_ID_UNITS ? id : `${id.slice(0, MOST_ID_UNITS)}-${fnv1a64(id)}`;
  // Stages are counted for each transcript, so attempts and tool calls belong to it too.
  const part = transcript === undefined ? '' : `#${transcript}`;
  return { tenant, session: `${kind}:${name}${part}` };
}

/** The transcript that a run writes. */
export function transcriptOf(run: RunReference): string {
  if (run.kind === undefined) return run.transcript ?? run.id;
  return keyOf(run).session;
}
