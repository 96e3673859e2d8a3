/**
 * Answers to other workflows. A workflow cannot send an update, so it asks with the signal `message`
 * and says where the answer goes; it gets the signal `reply` when the turn of its message has ended.
 * A message that comes again is answered again, and the asker recognises its id.
 *
 * Always the signal `reply`, never a name of the sender's choice: otherwise whoever may send a
 * message could make a session send `terminate` to any workflow of the namespace.
 */
import {
  CancellationScope,
  defineSignal,
  getExternalWorkflowHandle,
  log,
} from '@temporalio/workflow';
import type { ReplyTo } from '../../src/contracts/message.js';
import { REPLY_SIGNAL, type Answer, type SessionReply } from '../../src/contracts/session.js';
import { clip } from '../../src/contracts/text.js';
import { isRefusal, refusal } from '../door.js';
import type { SessionRun } from './session-run.js';

/** Askers that wait at the same time. They are carried to the next run. */
const MOST_WAITING = 500;
/** Longest answer, UTF-16 units: a signal may have 2 MiB, and JSON takes up to 6 bytes for a unit. */
const MOST_TEXT_UNITS = 250_000;

export const replySignal = defineSignal<[SessionReply]>(REPLY_SIGNAL);

export class Replies {
  readonly #run: SessionRun;
  /** The answer of the turn that took a message, if that is over. Throws why there is none. */
  readonly #answerTo: (id: string) => Promise<Answer | null>;

  constructor(run: SessionRun, answerTo: (id: string) => Promise<Answer | null>) {
    this.#run = run;
    this.#answerTo = answerTo;
  }

  /** Throws when a message cannot be answered: it has no id, or too many wait. */
  checkRoom(id: string | undefined): void {
    if (id === undefined) {
      throw refusal('Message.Invalid', 'A message with "replyTo" needs an "id".');
    }
    const { replies } = this.#run.state;
    if (replies.size >= MOST_WAITING && !replies.has(id)) {
      throw refusal('Message.Invalid', `${MOST_WAITING} workflows wait for an answer already.`);
    }
  }

  /** Answers when the turn of the message has ended; at once where it has. */
  async expect(id: string, { workflowId }: ReplyTo): Promise<void> {
    const { state } = this.#run;
    const over = state.turnOf(id) !== 0 && !this.#underWay(id);
    state.replies.set(id, workflowId);
    if (over) await this.#settle(id);
  }

  /** Answers those whose turns are over. */
  async settle(): Promise<void> {
    const { state } = this.#run;
    for (const id of [...state.replies.keys()]) {
      const turn = state.turnOf(id);
      // What is in the store is asked for once the batches that are there have been taken.
      const waits = turn === 0 || (turn === undefined && state.spills.length > 0);
      if (!waits && !this.#underWay(id)) await this.#settle(id);
    }
  }

  /** Nobody else gets an answer: the session has ended. */
  async close(): Promise<void> {
    const failure = {
      type: 'Session.Closed',
      message: 'The session ended before the turn of this message.',
    };
    for (const [id, workflowId] of this.#run.state.replies) {
      this.#run.state.replies.delete(id);
      await this.send(workflowId, id, { failure });
    }
  }

  /** An asker that is gone is no fault of the session. */
  async send(
    workflowId: string,
    id: string,
    reply: Pick<SessionReply, 'answer' | 'failure'>,
  ): Promise<void> {
    const { session } = this.#run.key;
    try {
      await CancellationScope.nonCancellable(() =>
        getExternalWorkflowHandle(workflowId).signal(replySignal, { id, session, ...reply }),
      );
    } catch (error) {
      log.warn(`The answer to ${id} did not reach ${workflowId}: ${String(error)}`);
    }
  }

  #underWay(id: string): boolean {
    const { state } = this.#run;
    return state.open !== undefined && state.turnOf(id) === state.turn;
  }

  async #settle(id: string): Promise<void> {
    const { replies } = this.#run.state;
    const workflowId = replies.get(id);
    if (workflowId === undefined) return;
    const reply = await this.#replyTo(id);
    // Another task may have answered meanwhile.
    if (!reply || !replies.delete(id)) return;
    await this.send(workflowId, id, reply);
  }

  async #replyTo(id: string): Promise<Pick<SessionReply, 'answer' | 'failure'> | undefined> {
    try {
      const answer = await CancellationScope.nonCancellable(() => this.#answerTo(id));
      return answer
        ? { answer: { ...answer, text: clip(answer.text, MOST_TEXT_UNITS) } }
        : undefined;
    } catch (error) {
      if (isRefusal(error)) {
        return { failure: { type: error.type ?? 'Turn.Interrupted', message: error.message } };
      }
      // An error of a signal handler would end the session. The asker goes on waiting.
      log.warn(`The answer to ${id} could not be read: ${String(error)}`);
      return undefined;
    }
  }
}
