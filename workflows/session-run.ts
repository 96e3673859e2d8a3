/**
 * One run of a session's workflow, as its parts see it: whose session it is, what it remembers,
 * whether it is open yet, whether it is to end. The reception (messages) and the control
 * (interrupt, pause, terminate) know of each other only what stands here; the loop in
 * `agent-session.ts` knows both.
 */
import {
  ApplicationFailure,
  setCurrentDetails,
  upsertMemo,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import { SEARCH_ATTRIBUTES, type SessionSettings } from '../src/contracts/activities.js';
import type { FailureType } from '../src/contracts/failures.js';
import { sessionOf } from '../src/contracts/ids.js';
import type { SessionInput } from '../src/contracts/session.js';
import { Details } from './details.js';
import { SessionState } from './session-state.js';

/** Temporal allows 2,000 updates and 10,000 signals a run. */
const MANY_UPDATES = 1_000;
const MANY_SIGNALS = 5_000;

export class SessionRun {
  readonly key = sessionOf(workflowInfo().workflowId);
  readonly agent: string;
  readonly title: string | undefined;
  readonly state: SessionState;
  readonly details: Details;
  /** The agent's limits and the worker's settings; `undefined` until the session is open. */
  policy: SessionSettings | undefined;
  /** Set once the session is to end: nothing is accepted any more. */
  ending: { reason?: string } | undefined;
  /** Handled so far in this run. */
  updates = 0;
  signals = 0;
  /**
   * The run is about to continue as new, and waits for its handlers: none may wait for a turn,
   * also none that begins now.
   */
  leaving = false;
  /** The last write of the session is done. */
  closed = false;
  /**
   * Why the session cannot be, or `undefined` when it is open. Never rejects, nor is it
   * cancelled: an error of a signal handler would end the workflow.
   */
  readonly opened: Promise<ApplicationFailure | undefined>;
  #answerOpened: (refused?: ApplicationFailure) => void = () => undefined;

  constructor({ agent = 'assistant', title, carried }: SessionInput) {
    // Whoever starts a workflow by hand may give anything; an error here would fail its task for ever.
    this.agent = String(agent);
    this.title = title === undefined ? undefined : String(title).slice(0, 200);
    this.state = new SessionState(carried);
    this.details = new Details(this.key, this.agent, this.title);
    this.opened = new Promise((resolve) => (this.#answerOpened = resolve));
  }

  get paused(): boolean {
    return this.state.machine.state === 'paused';
  }

  /** Whether the run should end at the next boundary of a turn. Only of an open session. */
  get full(): boolean {
    const info = workflowInfo();
    return (
      info.continueAsNewSuggested ||
      info.historyLength > this.policy!.historyLimit ||
      this.updates > MANY_UPDATES ||
      this.signals > MANY_SIGNALS
    );
  }

  /** Lets in, or sends away, the handlers that came before the session was open. */
  answerOpened(refused?: ApplicationFailure): void {
    this.#answerOpened(refused);
  }

  /**
   * Resolves when the session is open; throws why it cannot be. Nothing is accepted before: the
   * limits of the agent are not known, nor whether it exists.
   */
  async ready(): Promise<void> {
    const refused = await this.opened;
    if (refused) throw refused;
  }

  /** Tells the Temporal UI and its list whose session this is; once, since each costs an event. */
  introduce(): void {
    upsertMemo({
      agent: this.agent,
      ...this.key,
      ...(this.title === undefined ? {} : { title: this.title }),
    });
    if (!this.policy?.searchAttributes) return;
    upsertSearchAttributes([
      {
        key: defineSearchAttributeKey(SEARCH_ATTRIBUTES.tenant, 'KEYWORD'),
        value: this.key.tenant,
      },
      { key: defineSearchAttributeKey(SEARCH_ATTRIBUTES.agent, 'KEYWORD'), value: this.agent },
    ]);
  }

  /** Brings the page in the Temporal UI up to date. */
  show(): void {
    setCurrentDetails(this.details.page(this.state));
  }
}

/** What a caller is told. */
export function refusal(type: FailureType | (string & {}), message: string): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: type !== 'Session.ContinuedAsNew',
  });
}
