/**
 * Sessions, as a workflow of an application talks to them: it starts them as its children, or takes
 * those that run. A workflow cannot send an update to another one, so it asks with a signal, and is
 * answered with one (`session/replies.ts`).
 */
import {
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  startChild,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError, type SignalDefinition } from '@temporalio/common';
import type { ChildInput } from '../../src/contracts/delegation.js';
import {
  invalidSessionName,
  isSessionName,
  SESSION_WORKFLOW,
  workflowIdOf,
} from '../../src/contracts/ids.js';
import { parseInbound } from '../../src/contracts/message.js';
import { runName, type RunReference } from '../../src/contracts/run-reference.js';
import type { ContextInput } from '../../src/contracts/runtime-context.js';
import {
  REPLY_SIGNAL,
  type Answer,
  type SessionInput,
  type SessionReply,
  type SessionResult,
} from '../../src/contracts/session.js';
import { onSignal, refusal } from '../door.js';
import { afterHandlers, condition } from '../session/waiting.js';
import { interruptSignal, messageSignal, terminateSignal } from '../session/handlers.js';
import type { LoopMessage } from './agent.js';

export interface StartSessionOptions {
  /** Default `assistant`. */
  readonly agent?: string;
  /** Its name. Default: the agent's, and something that makes it unique. */
  readonly session?: string;
  readonly title?: string;
  /** A first message. Nobody waits for its answer. */
  readonly message?: LoopMessage;
  /** Default: that of the workflow. */
  readonly taskQueue?: string;
  /**
   * The session goes on when the workflow has ended. Default: it is cancelled, and then ends in
   * order.
   */
  readonly outlives?: boolean;
  /** For whom it runs. Default: for whom the workflow does (`createAgentLoop({ context })`). */
  readonly context?: ContextInput | undefined;
}

export interface AskOptions {
  /** Fails with `Turn.TimeLimit` after so many ms. Default: waits as long as the turn takes. */
  readonly timeoutMs?: number;
}

const replySignal = defineSignal<[SessionReply]>(REPLY_SIGNAL);
/** A worker that dies in a workflow task is missed after this long; the default is 10 s. */
const TASK_TIMEOUT_MS = 5_000;

/** Takes the answers of sessions. One for each run of a workflow. */
export class ReplyDesk {
  readonly #awaited = new Set<string>();
  readonly #replies = new Map<string, SessionReply>();
  #listening = false;

  /** To be called before anybody is asked. */
  listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    onSignal(replySignal, (reply: SessionReply | null) => {
      // A reply that comes twice, or to nobody, is nothing.
      if (reply && this.#awaited.delete(reply.id)) this.#replies.set(reply.id, reply);
    });
  }

  expect(id: string): void {
    this.#awaited.add(id);
  }

  has(id: string): boolean {
    return this.#replies.has(id);
  }

  take(id: string): SessionReply | undefined {
    const reply = this.#replies.get(id);
    this.#replies.delete(id);
    this.#awaited.delete(id);
    return reply;
  }
}

/** A session that runs in a workflow of its own. */
export class SessionHandle {
  readonly session: string;
  readonly workflowId: string;
  readonly #desk: ReplyDesk;
  readonly #result: Promise<SessionResult> | undefined;
  #ended = false;

  constructor(
    desk: ReplyDesk,
    key: { readonly tenant: string; readonly session: string },
    result?: Promise<SessionResult>,
  ) {
    this.#desk = desk;
    this.session = key.session;
    this.workflowId = workflowIdOf(key);
    this.#result = result;
    // Its answer may have come in the same task.
    const ended = () => afterHandlers(() => (this.#ended = true));
    result?.then(ended, ended);
  }

  /**
   * Sends a message and waits for the answer of its turn. Fails with the type of what went wrong
   * (`Turn.Interrupted`, `Session.Closed`, `Session.NoWorkflow`, …). With an `id` of your own the
   * message can be asked again, in another run of the workflow too: it gets the same answer.
   */
  async ask(message: LoopMessage, { timeoutMs }: AskOptions = {}): Promise<Answer> {
    const { id, ...rest } = messageOf(message);
    this.#desk.expect(id);
    try {
      const { workflowId } = workflowInfo();
      await this.#signal(messageSignal, { id, ...rest, replyTo: { workflowId } });
    } catch (error) {
      this.#desk.take(id);
      throw error;
    }
    return this.answerTo(id, timeoutMs);
  }

  /** Waits for the answer to a message that was sent with this workflow as its asker. */
  async answerTo(id: string, timeoutMs?: number): Promise<Answer> {
    const settled = () => this.#desk.has(id) || this.#ended;
    try {
      if (timeoutMs === undefined) await condition(settled);
      else if (!(await condition(settled, timeoutMs))) {
        throw refusal('Turn.TimeLimit', `No answer came within ${timeoutMs} ms.`);
      }
    } catch (error) {
      this.#desk.take(id);
      throw error;
    }
    const reply = this.#desk.take(id);
    if (reply?.answer) return reply.answer;
    const { type, message: why } = reply?.failure ?? {
      type: 'Session.Closed',
      message: `The session ${this.session} ended before the turn of this message.`,
    };
    throw refusal(type, why);
  }

  /** A message that may have been asked before: its answer comes once more. */
  async askAgain(message: { readonly id: string; readonly text: string }): Promise<void> {
    const { workflowId } = workflowInfo();
    await this.#signal(messageSignal, { ...message, replyTo: { workflowId } });
  }

  /** Sends a message whose answer nobody waits for. */
  async send(message: LoopMessage): Promise<{ readonly id: string }> {
    const sent = messageOf(message);
    await this.#signal(messageSignal, sent);
    return { id: sent.id };
  }

  /** Stops the turn under way, and not the session. */
  interrupt(reason?: string): Promise<void> {
    return this.#signal(interruptSignal, reason);
  }

  /** Ends the session for good. */
  end(reason?: string): Promise<void> {
    return this.#signal(terminateSignal, reason);
  }

  /** Resolves when the session has ended. Only of one that this run of the workflow has started. */
  result(): Promise<SessionResult> {
    if (this.#result) return this.#result;
    throw refusal('Request.Invalid', `The session ${this.session} is no child of this run.`);
  }

  async #signal<Args extends [unknown?]>(
    signal: SignalDefinition<Args>,
    ...args: Args
  ): Promise<void> {
    try {
      await getExternalWorkflowHandle(this.workflowId).signal(signal, ...args);
    } catch (error) {
      if (isCancellation(error)) throw error;
      throw refusal(
        'Session.NoWorkflow',
        `The session ${this.session} has no workflow: ${error instanceof Error ? error.message : String(error)}.`,
      );
    }
  }
}

/** A task that a session is started for: its first message, to which an answer is expected. */
export interface ChildTask {
  readonly child: ChildInput;
  readonly message: { readonly id: string; readonly text: string };
}

/** Starts a session as a child, or takes the one of this name that runs. */
export async function startSession(
  desk: ReplyDesk,
  parent: RunReference,
  options: StartSessionOptions,
  task?: ChildTask,
): Promise<SessionHandle> {
  const { agent = 'assistant', title, message, taskQueue, outlives = false, context } = options;
  const { session = `${agent}-${uuid4().slice(0, 13)}` } = options;
  const key = { tenant: parent.tenant, session };
  if (!isSessionName(session)) throw refusal('Request.Invalid', invalidSessionName(session));
  const input: SessionInput = {
    agent,
    ...(title === undefined ? {} : { title }),
    ...(message === undefined ? {} : { message: messageOf(message) }),
    parent: runName(parent),
    ...(parent.root === undefined ? {} : { root: parent.root }),
    ...(context === undefined ? {} : { context }),
    ...(outlives ? { onParentEnd: 'keep' } : {}),
    ...(task === undefined ? {} : taskInput(task)),
  };
  desk.listen();
  if (task) desk.expect(task.message.id);
  try {
    const child = await startChild(SESSION_WORKFLOW, {
      workflowId: workflowIdOf(key),
      args: [input],
      workflowTaskTimeout: TASK_TIMEOUT_MS,
      parentClosePolicy: outlives ? 'ABANDON' : 'REQUEST_CANCEL',
      ...(taskQueue === undefined ? {} : { taskQueue }),
    });
    return new SessionHandle(desk, key, child.result() as Promise<SessionResult>);
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const handle = new SessionHandle(desk, key);
    if (message !== undefined) await handle.send(message);
    if (task) await handle.askAgain(task.message);
    return handle;
  }
}

function taskInput({ child, message }: ChildTask): Pick<SessionInput, 'child' | 'message'> {
  return { child, message: { ...message, replyTo: { workflowId: workflowInfo().workflowId } } };
}

function messageOf(message: LoopMessage) {
  const parsed = parseInbound(message);
  if (!parsed.ok) throw refusal('Message.Invalid', parsed.reason);
  const { text, id = uuid4(), from } = parsed;
  return { id, text, ...(from === undefined ? {} : { from }) };
}
