/**
 * The workflow behind a session: calls to it with patience, and what Temporal says of one that
 * does not run. What a session is for its caller is in `session.ts`.
 */
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { isFailureType, PerduraError, type FailureType } from '../contracts/failures.js';
import { workflowIdOf, type SessionKey } from '../contracts/ids.js';
import { channelOf } from '../live/bus.js';
import type { SessionRecord } from '../store/session-catalogue.js';
import { settleSession } from '../store/settle-session.js';
import { isWorkflowNotFound, toClientError } from './client-errors.js';
import type { Connections } from './connections.js';
import { settleTree } from './settle-tree.js';

/** Waits between attempts when Temporal does not take a call just now, ms. */
const BUSY_WAITS = [50, 100, 200, 400, 800, 1_600, 3_200] as const;

/**
 * Failures that pass: ten updates are in flight already; or the task that had this one failed, as a
 * task that continues as new does whenever a signal came meanwhile.
 */
const BUSY: readonly FailureType[] = ['Session.TooManyUpdates', 'Session.Stuck'];

/** Attempts after which a workflow that Temporal does not know counts as gone. */
const LOOKS = 3;

/** Deadline for what Temporal answers from its own records, ms. */
const DESCRIBE_MS = 5_000;

/** Why a workflow is closed, as the reason of the session's end. */
const ENDS: Readonly<Record<string, string>> = {
  TERMINATED: 'its workflow was terminated',
  TIMED_OUT: 'its workflow timed out',
  CANCELLED: 'its workflow was cancelled',
  COMPLETED: 'its workflow has completed',
};

/** What Temporal says of the workflow now. */
export type WorkflowPresence =
  | { readonly is: 'running' }
  /** Temporal does not know it: it has lost it, has forgotten it, or never had it. */
  | { readonly is: 'unknown' }
  /** It has ended without the session's own end. The name is free where it `failed`. */
  | { readonly is: 'ended' | 'failed'; readonly failure: PerduraError };

export class SessionWorkflow {
  readonly connections: Connections;
  readonly key: SessionKey;
  readonly handle: WorkflowHandle;

  constructor(connections: Connections, key: SessionKey, workflowId = workflowIdOf(key)) {
    this.connections = connections;
    this.key = key;
    this.handle = connections.client.workflow.getHandle(workflowId);
  }

  /** What the catalogue says; `undefined` for a session that no worker has opened yet. */
  async record(): Promise<SessionRecord | undefined> {
    const { tenant, session } = this.key;
    return this.connections.stores.sessions.get(tenant, session);
  }

  /** Makes a call, again where what refuses it passes. Rejects with a failure that says why. */
  async call<T>(call: (handle: WorkflowHandle) => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await call(this.handle);
      } catch (raw) {
        const error = toClientError(raw, this.key.session);
        if (!(error instanceof PerduraError)) throw error;
        const failure = await this.#why(error, tries);
        const wait = BUSY_WAITS[tries];
        const busy = failure === undefined || BUSY.includes(failure.type);
        if (!busy || wait === undefined) throw failure ?? error;
        await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())));
      }
    }
  }

  /**
   * Asks Temporal whether the workflow runs. One that was ended from outside is put on record
   * first, so that every reader learns of it. Rejects when Temporal or the store does not answer.
   */
  async presence(): Promise<WorkflowPresence> {
    const { client } = this.connections;
    let described;
    try {
      described = await client.withDeadline(Date.now() + DESCRIBE_MS, () => this.handle.describe());
    } catch (error) {
      if (isWorkflowNotFound(error)) return { is: 'unknown' };
      throw error;
    }
    const { status, runId } = described;
    if (status.name === 'FAILED') return this.#failed(runId);
    const reason = ENDS[status.name];
    if (reason === undefined) return { is: 'running' };
    const why = status.name === 'COMPLETED' ? '' : `: ${reason}`;
    const failure = new PerduraError(
      'Session.Closed',
      `Session ${this.key.session} has ended${why}.`,
    );
    await this.#settle(runId, { state: 'terminated', reason }, failure);
    return { is: 'ended', failure };
  }

  /** Resolves when the workflow has closed, or after some seconds. */
  async closed(): Promise<void> {
    const { client } = this.connections;
    await client
      .withDeadline(Date.now() + DESCRIBE_MS, () => this.handle.result())
      .catch(() => undefined);
  }

  /** The failure of a workflow whose session needs one. */
  gone(): PerduraError {
    return new PerduraError(
      'Session.NoWorkflow',
      `Session ${this.key.session} has no workflow: it was deleted in Temporal, or the server has lost it. Its transcript is kept.`,
    );
  }

  async #failed(runId: string): Promise<WorkflowPresence> {
    const cause = await this.connections.client.workflow
      .getHandle(this.handle.workflowId, runId, { followRuns: false })
      .result()
      .then(
        () => undefined,
        (error: unknown) => (error instanceof WorkflowFailedError ? error.cause : error),
      );
    const message = cause instanceof Error ? cause.message : 'it does not say why';
    const type = cause instanceof ApplicationFailure ? (cause.type ?? '') : '';
    // A session that was never opened has only this to say: its agent is unknown, most often.
    if (isFailureType(type) && !(await this.record())) {
      return { is: 'failed', failure: new PerduraError(type, message) };
    }
    const failure = new PerduraError(
      'Session.NoWorkflow',
      `The workflow of session ${this.key.session} failed: ${message}`,
    );
    await this.#settle(runId, { state: 'error' }, failure);
    return { is: 'failed', failure };
  }

  async #settle(
    run: string,
    end: { state: 'terminated'; reason: string } | { state: 'error' },
    { type, message }: PerduraError,
  ): Promise<void> {
    const { stores, bus, client } = this.connections;
    const failure = { type, message };
    const lastEvent = await settleSession(stores, this.key, {
      ...end,
      run,
      failure,
      channel: channelOf(this.key),
    });
    if (lastEvent === undefined) return;
    bus.appended?.(this.key, lastEvent);
    await settleTree({ client, ...stores }, this.key, failure);
  }

  /** The failure to report; `undefined` where the call is worth another try. */
  async #why(error: PerduraError, tries: number): Promise<PerduraError | undefined> {
    switch (error.type) {
      case 'Session.NotFound':
        return this.#whyNotFound(error, tries);
      case 'Agent.Unknown':
        // A session that is open was to be moved there. The workflow of another is about to fail;
        // then the name is free for another start.
        if (!(await this.record())) await this.closed();
        return error;
      case 'Session.Closed': {
        // A session that could not be opened refuses with this on its way to its failure.
        if (await this.record()) return error;
        await this.closed();
        const found = await this.presence();
        return found.is === 'failed' ? found.failure : error;
      }
      default:
        return error;
    }
  }

  /** Between two runs a session may not be there for a moment. */
  async #whyNotFound(error: PerduraError, tries: number): Promise<PerduraError | undefined> {
    const record = await this.record();
    if (record?.state === 'terminated') {
      return new PerduraError('Session.Closed', `Session ${this.key.session} has ended.`);
    }
    const found = await this.presence();
    if (found.is === 'running') return undefined;
    if (found.is !== 'unknown') return found.failure;
    if (!record) return error;
    return tries < LOOKS ? undefined : this.gone();
  }
}
