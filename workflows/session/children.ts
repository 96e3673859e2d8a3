/**
 * The sub-agents of a session: it starts a session for each task, takes its answer, and stops it. A
 * call that gives a task waits as any other call does (`open-calls.ts`); here is what answers it.
 *
 * Children are started with `ABANDON`: a run that continues as new closes, and its children must not
 * end with it. So what stops a session tells its children itself. A child that dies is heard of by
 * its parent's run; the next run has no such link, and asks from time to time.
 */
import {
  CancellationScope,
  getExternalWorkflowHandle,
  log,
  sleep,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import {
  ChildWorkflowFailure,
  TerminatedFailure,
  TimeoutFailure,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/common';
import type { PlannedCall } from '../../src/contracts/activities.js';
import {
  endId,
  MOST_TASK_UNITS,
  MOST_TOLD_UNITS,
  refusedTask,
  taskId,
  type Child,
  type ChildEnd,
  type ChildInput,
  type DelegationRules,
  type PlannedTask,
} from '../../src/contracts/delegation.js';
import type { FailureInfo } from '../../src/contracts/failures.js';
import { SESSION_WORKFLOW, workflowIdOf } from '../../src/contracts/ids.js';
import { runName, sessionOfRun } from '../../src/contracts/run-reference.js';
import {
  KIN_SIGNAL,
  type AdoptedChild,
  type KinMessage,
  type SessionInput,
  type SessionReply,
  type WaitingCall,
} from '../../src/contracts/session.js';
import { clip } from '../../src/contracts/text.js';
import { isRefusal } from '../door.js';
import { sessionCalls } from './calls.js';
import { failureOf } from './failure-of.js';
import { terminateSignal } from './handlers.js';
import type { GivenResult, OpenCallDesk } from './open-calls.js';
import { replySignal } from './replies.js';
import type { SessionRun } from './session-run.js';
import { afterHandlers, until } from './waiting.js';

/** A worker that dies in a workflow task is missed after this long; the default is 10 s. */
const TASK_TIMEOUT_MS = 5_000;
/** How long a run that took children over waits before it asks whether they are there, ms. */
const FIRST_LOOK_MS = 60_000;
const LONGEST_LOOK_MS = 3_600_000;

/** A call that an answer has made, and by which key it is answered. */
export interface DelegatedCall {
  readonly key: string;
  readonly call: PlannedCall;
}

export class Children {
  readonly #run: SessionRun;
  readonly #desk: OpenCallDesk;
  /** Commands to other workflows that are not on record yet. A run must not end before. */
  #sending = 0;
  #watching = false;

  constructor(run: SessionRun, desk: OpenCallDesk) {
    this.#run = run;
    this.#desk = desk;
  }

  /** Whether sub-agents are at work. */
  get any(): boolean {
    return this.#all.size > 0;
  }

  /** Starts what these calls ask for, or says why not. */
  begin(calls: readonly DelegatedCall[], rules: DelegationRules | undefined): void {
    for (const { key, call } of calls) {
      if (call.task && rules) this.#delegate(key, call.task, rules);
    }
    this.#answerWaits();
  }

  /** A session has answered. What nobody waits for is nothing. */
  replied(reply: SessionReply | null): void {
    const child = reply ? this.#all.get(reply.session) : undefined;
    if (!reply || !child || reply.id !== taskId(child.session)) return;
    this.#run.handles('signal');
    const { session, agent } = child;
    const failure = reply.failure ?? NO_ANSWER;
    this.#ended(
      child,
      reply.answer ? { session, agent, text: reply.answer.text } : { session, agent, failure },
    );
  }

  /**
   * Stops all but those that are kept: the turn was interrupted. With `ending` the session ends, and
   * those go on, too, that the session above takes over.
   */
  stop(reason: string, { ending = this.#run.ending !== undefined } = {}): void {
    const stopped = [...this.#all.values()].filter(
      ({ onParentEnd }) => onParentEnd !== 'keep' && !(ending && onParentEnd === 'grandparent'),
    );
    if (stopped.length === 0) return;
    void this.#silence(ending);
    for (const child of stopped) {
      this.#all.delete(child.session);
      this.#end(child, reason);
    }
  }

  /** Stops those whose calls nobody waits for any more: the turn is over. */
  turnOver(): void {
    for (const child of [...this.#all.values()]) {
      if (child.call === undefined) continue;
      this.#all.delete(child.session);
      this.#end(child, 'The turn that gave the task is over.');
    }
  }

  /**
   * The deadline of a call is over: its sub-agent is stopped. A call that waits for several has a
   * result all the same.
   */
  expire({ key, by }: WaitingCall): GivenResult | undefined {
    if (typeof by !== 'object') return undefined;
    if ('sessions' in by) return this.#gathered(this.#meant(by.sessions));
    const child = [...this.#all.values()].find(({ call }) => call === key);
    if (!child) return undefined;
    this.#all.delete(child.session);
    this.#end(child, 'The deadline of the task is over.');
    return undefined;
  }

  /** The session has ended: each is ended, left alone, or handed to the session above. */
  leave(): void {
    for (const child of [...this.#all.values()]) {
      if (child.onParentEnd !== 'grandparent') continue;
      this.#all.delete(child.session);
      this.#handOver(child);
    }
    this.stop('The session that gave the task has ended.', { ending: true });
    this.#all.clear();
  }

  /** A session below has ended, and one of its own goes on. */
  adopt({ session, agent, from }: AdoptedChild): void {
    if (this.#all.has(session)) return;
    // What it says of its parent's end holds for this one's, too.
    const child: Child = { session, agent, onParentEnd: 'grandparent' };
    this.#all.set(session, child);
    void this.#takeUp(child, from);
  }

  /** Whether all that was told to other workflows is on record. */
  get quiet(): boolean {
    return this.#sending === 0;
  }

  async settled(): Promise<void> {
    await until(() => this.quiet);
  }

  /** In a run that took children over: looks from time to time whether they are there. */
  watch(): void {
    if (this.#all.size > 0) void this.#look();
  }

  get #all(): Map<string, Child> {
    return this.#run.state.children;
  }

  #delegate(key: string, task: PlannedTask, rules: DelegationRules): void {
    const { agent, session, text, onParentEnd } = task;
    const { ancestors } = this.#run;
    const asker = { agent: this.#run.agent, ancestors, atWork: this.#all.size };
    const refused = text === undefined ? TOO_LONG : refusedTask(asker, agent, rules);
    if (refused) return this.#desk.give(key, { failure: refused });
    const child: Child = {
      session,
      agent,
      ...(task.detached ? {} : { call: key }),
      ...(onParentEnd ? { onParentEnd } : {}),
    };
    this.#all.set(session, child);
    const started = JSON.stringify({ session, agent, state: 'working' });
    if (task.detached) this.#desk.give(key, { output: started });
    void this.#start(child, this.#inputOf(task, text!, rules));
  }

  #inputOf(task: PlannedTask, text: string, rules: DelegationRules): SessionInput {
    const { reference, ancestors, agent } = this.#run;
    const parent = runName(reference);
    const root = reference.root ?? reference.parent;
    const child: ChildInput = {
      ancestors: [...ancestors, { run: parent, agent }],
      once: true,
      ...(task.asked ? { asked: { ...task.asked, ...this.#run.state.agent } } : {}),
      maxDescendants: this.#run.child?.maxDescendants ?? rules.maxDescendants,
      ...(reference.context ? { context: true } : {}),
    };
    return {
      agent: task.agent,
      message: {
        id: taskId(task.session),
        text,
        replyTo: { workflowId: workflowInfo().workflowId },
      },
      parent,
      ...(root === undefined ? {} : { root }),
      ...(task.onParentEnd ? { onParentEnd: task.onParentEnd } : {}),
      child,
    };
  }

  /** Never rejects: what goes wrong is the end of the child. */
  async #start(child: Child, input: SessionInput): Promise<void> {
    const workflowId = this.#workflowId(child);
    this.#sending += 1;
    try {
      const handle = await CancellationScope.nonCancellable(() =>
        startChild(SESSION_WORKFLOW, {
          workflowId,
          args: [input],
          workflowTaskTimeout: TASK_TIMEOUT_MS,
          parentClosePolicy: 'ABANDON',
          workflowIdReusePolicy: 'REJECT_DUPLICATE',
        }),
      );
      // Its answer may have come in the same task.
      void handle.result().then(
        () => afterHandlers(() => this.#gone(child)),
        (error: unknown) => afterHandlers(() => this.#gone(child, error)),
      );
    } catch (error) {
      // A run that was reset finds what the one before it has started.
      if (error instanceof WorkflowExecutionAlreadyStartedError) await this.#ask(child, input);
      else this.#gone(child, error);
    } finally {
      this.#sending -= 1;
    }
  }

  /** Of a session that is there already: its answer comes once more. */
  async #ask(child: Child, { message }: SessionInput): Promise<void> {
    const told = await this.#signal(child, 'message', message);
    if (!told) await this.#recover(child);
  }

  /** The workflow of a child is closed. Most often its answer came before. */
  #gone(child: Child, error?: unknown): void {
    if (this.#all.get(child.session) !== child) return;
    const { session, agent } = child;
    this.#ended(child, { session, agent, failure: endOf(child, error) });
  }

  /** Asks the store for the answer of a child whose workflow is closed. */
  async #recover(child: Child): Promise<void> {
    if (this.#all.get(child.session) !== child) return;
    const { tenant } = this.#run.key;
    const { session, agent } = child;
    const { short } = sessionCalls({ tenant, id: session });
    try {
      const answer = await CancellationScope.nonCancellable(() =>
        short.readAnswer({ id: taskId(session) }),
      );
      if (this.#all.get(session) !== child) return;
      if (answer) this.#ended(child, { session, agent, text: answer.text });
      else this.#gone(child);
    } catch (error) {
      const failure = failureOf(error) ?? endOf(child, error);
      if (this.#all.get(session) === child) this.#ended(child, { session, agent, failure });
    }
  }

  #ended(child: Child, end: ChildEnd): void {
    this.#all.delete(child.session);
    if (child.call !== undefined) {
      return this.#desk.give(
        child.call,
        'text' in end ? { output: end.text } : { failure: end.failure },
      );
    }
    const { session, agent } = child;
    // As a message, which wakes the agent, and is kept as any other.
    this.#run.state.accept({ id: endId(session), from: agent, text: told(end) });
    this.#answerWaits();
  }

  /** Answers the calls of `wait_for` that need to wait no longer. */
  #answerWaits(): void {
    for (const { key, by } of this.#run.state.open?.calls?.waiting ?? []) {
      if (typeof by !== 'object' || !('sessions' in by) || this.#desk.has(key)) continue;
      const sessions = this.#meant(by.sessions);
      const atWork = sessions.filter((session) => this.#all.has(session)).length;
      if (atWork === 0 || (by.any && atWork < sessions.length)) {
        this.#desk.give(key, this.#gathered(sessions));
      }
    }
  }

  /** Those that are named, or all detached ones whose results nobody was told. */
  #meant(named: readonly string[]): readonly string[] {
    if (named.length > 0) return named;
    const atWork = [...this.#all.values()].filter(({ call }) => call === undefined);
    return [...this.#run.state.endings, ...atWork.map(({ session }) => session)];
  }

  /** How these sessions stand. What has ended is told here, and not as a message any more. */
  #gathered(sessions: readonly string[]): GivenResult {
    const { state } = this.#run;
    const units = Math.floor(MOST_GATHERED_UNITS / Math.max(1, sessions.length));
    const results = sessions.map((session) => {
      const child = this.#all.get(session);
      if (child) return { session, agent: child.agent, state: 'working' };
      const text = state.withdraw(endId(session));
      if (text === undefined) return { session, state: 'unknown', note: NOT_KNOWN };
      return { session, state: 'ended', result: clip(text, units) };
    });
    return { output: JSON.stringify(results) };
  }

  /** Tells all workers at once to stop what is below; the sessions hear of it one level at a time. */
  async #silence(ending: boolean): Promise<void> {
    this.#sending += 1;
    try {
      const { turn } = this.#run.state;
      await CancellationScope.nonCancellable(() =>
        this.#run.regular
          .notify({ turn, tree: true, ...(ending ? { ending } : {}) })
          .catch(() => undefined),
      );
    } finally {
      this.#sending -= 1;
    }
  }

  #end(child: Child, reason: string): void {
    void this.#signal(child, terminateSignal.name, {
      reason,
      by: workflowInfo().workflowId,
    });
  }

  /** To the session above, if there is one: otherwise it is left alone. */
  #handOver({ session, agent }: Child): void {
    const above = sessionOfRun(this.#run.ancestors.at(-1)?.run);
    if (above === undefined) return;
    const from = runName(this.#run.reference);
    const message: KinMessage = { adopt: { session, agent, from } };
    void this.#signal({ session: above }, KIN_SIGNAL, message);
  }

  async #takeUp(child: Child, left: string): Promise<void> {
    const message: KinMessage = { asker: workflowInfo().workflowId, left };
    const [there] = await Promise.all([
      this.#signal(child, KIN_SIGNAL, message),
      this.#noteAdoption(child, left),
    ]);
    if (!there) await this.#recover(child);
    else if (!this.#watching) this.watch();
  }

  /** The catalogue has the tree as it is now. */
  async #noteAdoption({ session }: Child, from: string): Promise<void> {
    this.#sending += 1;
    try {
      await CancellationScope.nonCancellable(() =>
        this.#run.regular.short.adoptChild({ child: session, from }),
      );
    } catch (error) {
      log.warn(`The catalogue has not taken over ${session}: ${String(error)}`);
    } finally {
      this.#sending -= 1;
    }
  }

  /** Whether the workflow was there. */
  async #signal(child: Pick<Child, 'session'>, name: string, argument: unknown): Promise<boolean> {
    this.#sending += 1;
    try {
      await CancellationScope.nonCancellable(() =>
        getExternalWorkflowHandle(this.#workflowId(child)).signal(name, argument),
      );
      return true;
    } catch (error) {
      log.debug(`The signal ${name} did not reach ${child.session}: ${String(error)}`);
      return false;
    } finally {
      this.#sending -= 1;
    }
  }

  async #look(): Promise<void> {
    this.#watching = true;
    for (let wait = FIRST_LOOK_MS; ; wait = Math.min(wait * 2, LONGEST_LOOK_MS)) {
      await sleep(wait);
      for (const child of [...this.#all.values()]) {
        // A reply to nobody: only whether it arrives is of interest.
        const there = await this.#signal(child, replySignal.name, null);
        if (!there) await this.#recover(child);
      }
      if (this.#all.size === 0) break;
    }
    this.#watching = false;
  }

  #workflowId({ session }: Pick<Child, 'session'>): string {
    return workflowIdOf({ tenant: this.#run.key.tenant, session });
  }
}

/** Of all results that one call of `wait_for` has, UTF-16 units. */
const MOST_GATHERED_UNITS = 200_000;
const NOT_KNOWN =
  'No such sub-agent is at work for this session: it was never started, or its result was told before.';

const NO_ANSWER: FailureInfo = {
  type: 'Session.Closed',
  message: 'The sub-agent has ended without an answer.',
};

const TOO_LONG: FailureInfo = {
  type: 'Message.TooLarge',
  message: `The task is too long: a task has at most ${MOST_TASK_UNITS} characters, and those of one answer together four times as many. Put what is long into a file, or give it in parts.`,
};

/** Why a child is closed that has not answered. */
function endOf({ session }: Child, error: unknown): FailureInfo {
  const cause = error instanceof ChildWorkflowFailure ? error.cause : error;
  if (isRefusal(cause)) {
    return { type: cause.type ?? 'Session.Closed', message: cause.message };
  }
  const how =
    cause instanceof TerminatedFailure
      ? 'its workflow was terminated'
      : cause instanceof TimeoutFailure
        ? 'its workflow timed out'
        : 'it ended before it answered';
  return { type: 'Session.Closed', message: `The sub-agent ${session} is gone: ${how}.` };
}

/** How a detached child ended, for the model. */
function told(end: ChildEnd): string {
  const { session, agent } = end;
  const who = `The agent "${agent}" (session ${session})`;
  if ('failure' in end) return `${who} failed: ${end.failure.type}: ${end.failure.message}`;
  const text = clip(end.text, MOST_TOLD_UNITS);
  const cut = text.length < end.text.length ? `\n[cut: the session ${session} has all of it]` : '';
  return `${who} is done:\n${text}${cut}`;
}
