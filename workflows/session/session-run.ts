/**
 * One run of a session's workflow, as its parts see it: whose session it is, what it remembers,
 * whether it is open yet, whether it is to end. The reception (messages) and the control
 * (interrupt, pause, terminate) share what stands here; the reception also asks the control to stop or
 * to steer the turn for a message. The loop in `agent-session.ts` knows both.
 */
import {
  log,
  patched,
  setCurrentDetails,
  upsertMemo,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import {
  SEARCH_ATTRIBUTES,
  type AgentTraits,
  type RefusedSignal,
  type SessionSettings,
} from '../../src/contracts/activities.js';
import type { AgentReference } from '../../src/contracts/agent.js';
import type { Ancestor, ChildInput } from '../../src/contracts/delegation.js';
import { sessionOf } from '../../src/contracts/ids.js';
import type { CheckedInput } from '../../src/contracts/session-input.js';
import type { RunReference } from '../../src/contracts/run-reference.js';
import type { GivenContext } from '../../src/contracts/runtime-context.js';
import { wellFormed } from '../../src/contracts/text.js';
import type { Refusal } from '../door.js';
import { sessionCalls, type SessionCalls, type ShortCalls } from './calls.js';
import { Details } from './details.js';
import { Journal, LegacyJournal } from './journal.js';
import { localCalls } from './legacy-calls.js';
import { SessionState } from './session-state.js';
import { actsLast } from './waiting.js';

/** Temporal allows 2,000 updates and 10,000 signals a run. */
const MANY_UPDATES = 1_000;
const MANY_SIGNALS = 5_000;
/** In the history of runs of version 0.2 before handlers acted last: they have no local activities. */
const REGULAR_CALLS = 'perdura-regular-calls';

export class SessionRun {
  readonly key = sessionOf(workflowInfo().workflowId);
  readonly title: string | undefined;
  /** What the session was given. The store has it too, for the activities. */
  readonly context: GivenContext | undefined;
  readonly state: SessionState;
  readonly details: Details;
  /** The run was begun with local activities, and is replayed with them. */
  readonly legacy = !actsLast() && !patched(REGULAR_CALLS);
  /** One object for the life of the run: what it is found to be holds for all later activities. */
  readonly reference: { -readonly [K in keyof RunReference]: RunReference[K] };
  /** What it was told as a sub-agent; `undefined` for nobody's. */
  child: ChildInput | undefined;
  /** Regular activities, each with the reference of this session. */
  readonly regular: SessionCalls;
  readonly calls: ShortCalls;
  /** Changes of state and refusals, on their way to the store. */
  readonly journal: Journal | LegacyJournal;
  /** The agent's limits and the worker's settings; `undefined` until the session is open. */
  settings: SessionSettings | undefined;
  /** Set once the session is to end: nothing is accepted any more. */
  ending: { reason?: string } | undefined;
  /** Handled so far in this run. */
  #updates = 0;
  #signals = 0;
  /** Events of the run as {@link look} has seen them last, with the signals since; what Temporal suggests. */
  #events = 0;
  #suggested = false;
  /**
   * The run is about to continue as new, and waits for its handlers: none may wait for a turn,
   * also none that starts now.
   */
  leaving = false;
  /** The last write of the session is done. */
  closed = false;
  /**
   * Why the session cannot be, or `undefined` when it is open. Never rejects, nor is it
   * cancelled: an error of a signal handler would end the workflow.
   */
  readonly opened: Promise<Refusal | undefined>;
  #answerOpened: (refused?: Refusal) => void = () => undefined;
  #beside = 0;

  constructor({ agent, version, title, parent, root, context, child, carried }: CheckedInput) {
    this.title = title;
    this.context = context;
    const { tenant, session: id } = this.key;
    this.child = child;
    this.reference = {
      tenant,
      id,
      ...(parent ? { parent } : {}),
      ...(root ? { root } : {}),
      ...(context || child?.context ? { context: true } : {}),
      ...(child?.asked ? { asked: child.asked } : {}),
    };
    this.regular = sessionCalls(this.reference);
    this.calls = this.legacy ? localCalls : this.regular.short;
    const asked = { agent, ...(version === undefined ? {} : { version }) };
    this.state = new SessionState(carried, asked);
    this.details = new Details(this.key, this.title);
    const current = () => ({ state: this.state.machine.state, turn: this.state.turn });
    const warn = (text: string) => this.notice(text);
    this.journal = this.legacy
      ? new LegacyJournal((input) => this.calls.recordState(input), current, warn)
      : new Journal(this.calls, current, warn);
    this.opened = new Promise((resolve) => (this.#answerOpened = resolve));
  }

  /** Name of the agent that the session runs. */
  get agent(): string {
    return this.state.agent.agent;
  }

  /** What the workflow knows of the agent. */
  get traits(): AgentTraits {
    const { limits, unread, whileWorking, pool } = this.settings!;
    return {
      limits,
      unread,
      ...(whileWorking ? { whileWorking } : {}),
      ...(pool === undefined ? {} : { pool }),
    };
  }

  /** From now on it runs this one; a turn that is under way keeps the limits that it began with. */
  changeAgent(to: AgentReference, traits: AgentTraits): void {
    const renamed = to.agent !== this.agent;
    this.state.agent = to;
    const { whileWorking: _policy, pool: _pool, ...settings } = this.settings!;
    this.settings = { ...settings, ...traits };
    if (renamed) this.introduce();
    this.show();
  }

  /** The run of this name is not above it any more. */
  adopted(left: string | undefined): void {
    if (!this.child || left === undefined) return;
    const ancestors = this.ancestors.filter(({ run }) => run !== left);
    if (ancestors.length > 0) this.child = { ...this.child, ancestors };
  }

  /** The runs above it, the root first. */
  get ancestors(): readonly Ancestor[] {
    return this.child?.ancestors ?? [];
  }

  get paused(): boolean {
    return this.state.machine.state === 'paused';
  }

  /** An update or a signal has come in. */
  handles(kind: 'update' | 'signal'): void {
    if (kind === 'update') this.#updates += 1;
    else this.#signals += 1;
    // A signal that leads to nothing leaves no command, so the length is not looked up: it is at least
    // one event longer.
    if (kind === 'signal' && actsLast()) this.#events += 1;
    else this.look();
  }

  /**
   * Looks how long the history is. To be called where a command of this task follows, or was its cause
   * (an update that was accepted), never from a condition. A task without commands may be replayed
   * together with the next one, and then sees the length of that: a run that ended for it, or went on,
   * could not be replayed.
   */
  look(): void {
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    this.#events = historyLength;
    this.#suggested = continueAsNewSuggested;
  }

  /** Whether the run has more events than its limit and these. Only of an open session. */
  longerBy(events: number): boolean {
    return this.#events > this.settings!.historyLimit + events;
  }

  /** Whether the run should end at the next boundary of a turn. Only of an open session. */
  get full(): boolean {
    return (
      this.#suggested ||
      this.longerBy(0) ||
      this.#updates > MANY_UPDATES ||
      this.#signals > MANY_SIGNALS
    );
  }

  /** Notifications are under way that nobody waits for but the end of the run. */
  get notifying(): boolean {
    return this.#beside > 0;
  }

  /** Lets `work`, which must not reject, go on beside the handlers and the loop. */
  beside(work: Promise<void>): void {
    this.#beside += 1;
    void work.finally(() => (this.#beside -= 1));
  }

  /** Lets in, or sends away, the handlers that came before the session was open. */
  answerOpened(refused?: Refusal): void {
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

  /** What the Temporal UI and its list show of a session without its history. */
  get memo(): Record<string, string> {
    return {
      agent: this.agent,
      ...this.key,
      ...(this.title === undefined ? {} : { title: this.title }),
      ...(this.reference.parent === undefined ? {} : { parent: this.reference.parent }),
    };
  }

  /** Tells the Temporal UI and its list whose session this is; not often, since each costs an event. */
  introduce(): void {
    upsertMemo(this.memo);
    if (!this.settings?.searchAttributes) return;
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
    setCurrentDetails(wellFormed(this.details.page(this.state)));
  }

  /** Something that its sender cannot be told, because signals have no answer. */
  notice(text: string): void {
    log.warn(text, { ...this.key });
    this.details.notice(text);
    this.show();
  }

  /** A signal was refused: the log, the details page and the durable events say why. */
  refuse(reason: string, id?: string, became?: RefusedSignal['became']): void {
    this.notice(`Refused: ${reason}`);
    this.journal.refused({
      reason,
      ...(id === undefined ? {} : { id }),
      ...(became === undefined ? {} : { became }),
    });
  }
}
