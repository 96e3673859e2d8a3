/**
 * How messages come in: what is refused, what is accepted into the queue, and what a sender who
 * asks is answered. Turns are run elsewhere; here it is only heard how they ended.
 */
import { uuid4 } from '@temporalio/workflow';
import type { FailureInfo } from '../../src/contracts/failures.js';
import { readMailBatch, readMailItem } from '../../src/contracts/mail.js';
import {
  jsonBytes,
  MOST_MESSAGE_JSON_BYTES,
  parseInbound,
  parseReplyTo,
  utf8Bytes,
  type InboundMessage,
} from '../../src/contracts/message.js';
import { clip } from '../../src/contracts/text.js';
import type { WhileWorking } from '../../src/contracts/while-working.js';
import type { Answer, SendReceipt } from '../../src/contracts/session.js';
import { isRefusal, refusal, type Refusal } from '../door.js';
import { failureOf } from './failure-of.js';
import { Replies } from './replies.js';
import type { Control } from './control.js';
import type { SessionRun } from './session-run.js';
import { until } from './waiting.js';

/** How a turn ended, for those who asked. */
export type Ending = {
  readonly answer?: Answer;
  /** The answer holds the whole text, not only its beginning. */
  readonly whole?: boolean;
  readonly failure?: FailureInfo;
};

export class Reception {
  readonly #run: SessionRun;
  readonly #control: Pick<Control, 'steer' | 'stopFor'>;
  readonly #replies: Replies;
  /** Turns that someone waits for, and how they ended. */
  readonly #endings = new Map<number, Ending>();
  /** Answers to first messages that were refused. */
  readonly #first: Promise<void>[] = [];
  #asking = 0;
  /** Turns that have ended in this run: when it changes, who asked may look again. */
  #turnsEnded = 0;

  constructor(run: SessionRun, control: Pick<Control, 'steer' | 'stopFor'>) {
    this.#run = run;
    this.#control = control;
    this.#replies = new Replies(run, (id) => this.#answerTo(id));
  }

  /** The messages that the session was started with, and what of its input was of no use. */
  takeFirst(messages: readonly unknown[], problems: readonly string[]): void {
    for (const problem of problems) this.#run.refuse(problem);
    // They come together, with the start: none of them comes while the agent works on another.
    for (const first of messages) {
      const refused = this.#acceptSignalled(first, false, 'enqueue');
      if (refused) this.#first.push(this.#refuse(first, refused));
      else void this.#promise(first);
    }
  }

  /** Resolves when the senders of first messages that were refused know it. */
  async toldFirst(): Promise<void> {
    await Promise.all(this.#first);
  }

  /**
   * Throws what a sender is told when a message is refused. Synchronous: it validates updates.
   * `late`: the session was told to end before the message came.
   */
  check(input: unknown, late = this.#run.ending !== undefined): InboundMessage {
    if (late) throw refusal('Session.Closed', 'The session has ended.');
    const parsed = parseInbound(input);
    if (!parsed.ok) throw refusal('Message.Invalid', parsed.reason);
    const bytes = utf8Bytes(parsed.text);
    const most = this.#run.settings?.limits.maxMessageBytes;
    if (most !== undefined && bytes > most) {
      throw refusal(
        'Message.TooLarge',
        `The message has ${bytes} bytes; this agent takes up to ${most}.`,
      );
    }
    if (jsonBytes(parsed.text) > MOST_MESSAGE_JSON_BYTES) {
      throw refusal(
        'Message.TooLarge',
        `The message has ${bytes} bytes; as JSON it may have ${MOST_MESSAGE_JSON_BYTES}.`,
      );
    }
    return parsed;
  }

  /** As {@link check}, before an update is on record: one that is refused leaves no event. */
  checkSent(input: unknown): void {
    this.#admit(this.check(input));
  }

  /** As {@link checkSent}, for senders that want an answer: no answer can come from a run that is
   * continuing as new. */
  checkAsked(input: unknown): void {
    this.checkSent(input);
    if (this.#run.leaving) throw leaving();
  }

  send(input: unknown): SendReceipt | Promise<SendReceipt> {
    this.#run.handles('update');
    const late = this.#run.ending !== undefined;
    if (this.#run.settings) return this.#accept(input, late);
    return this.#run.ready().then(() => this.#accept(input, late));
  }

  async ask(input: unknown): Promise<Answer> {
    this.#run.handles('update');
    const late = this.#run.ending !== undefined;
    if (!this.#run.settings) await this.#run.ready();
    const { id } = this.#accept(input, late);
    this.#asking += 1;
    try {
      for (;;) {
        const ended = this.#turnsEnded;
        const answer = await this.#answerTo(id);
        if (answer) return answer;
        await until(() => this.#turnsEnded !== ended || this.#run.leaving || this.#run.closed);
        if (this.#turnsEnded !== ended) continue;
        throw this.#run.closed
          ? refusal('Session.Closed', 'The session ended before the turn of this message.')
          : leaving();
      }
    } finally {
      this.#asking -= 1;
      this.#forget();
    }
  }

  /** A message that gets no answer, or one by a signal to the workflow that it names. */
  async signal(input: unknown): Promise<void> {
    this.#run.handles('signal');
    // By the order of arrival: one that came before the end is kept, also when both came early.
    const late = this.#run.ending !== undefined;
    if (!this.#run.settings) {
      const refused = await this.#run.opened;
      if (refused) {
        this.#run.notice(refused.message);
        return this.#refuse(input, refused);
      }
    }
    const refused = this.#acceptSignalled(input, late);
    if (refused) return this.#refuse(input, refused);
    await this.#promise(input);
  }

  /** Messages of a courier. All or none of them is in the queue when a turn takes what there is. */
  async mail(input: unknown): Promise<void> {
    this.#run.handles('signal');
    const late = this.#run.ending !== undefined;
    if (!this.#run.settings) {
      const refused = await this.#run.opened;
      if (refused) return this.#run.notice(refused.message);
    }
    let refused = false;
    for (const item of readMailBatch(input)) {
      try {
        const mail = readMailItem(item);
        if (mail.group === undefined || !this.#run.state.isStopped(mail.group)) {
          this.#accept(item, late, undefined, mail);
          continue;
        }
        this.#run.refuse('Its group was stopped.', idOf(item), 'cancelled');
      } catch (error) {
        if (!isRefusal(error)) throw error;
        this.#run.refuse(error.message, idOf(item));
      }
      refused = true;
    }
    // The receipt has to say so, also where the session is ending.
    if (refused && !this.#run.legacy) await this.#run.journal.written();
  }

  /** Takes out what has expired, before a turn takes what there is. */
  expire(now: number): void {
    for (const { id } of this.#run.state.expired(now)) {
      this.#run.refuse('It was not read in time.', id, 'expired');
    }
  }

  /** The answer to this message goes to another workflow than before. */
  async askedBy(workflowId: string, id: string): Promise<void> {
    await this.#replies.expect(id, { workflowId });
  }

  /** Answers the workflows whose messages have been in a turn that is over. */
  async reply(): Promise<void> {
    await this.#replies.settle();
    this.#forget();
  }

  /** Answers all that wait: the session has ended. */
  async replyToAll(): Promise<void> {
    await this.#replies.settle();
    await this.#replies.close();
  }

  /** Keeps how the turn under way ends, for those who asked; they hear of it at {@link turnOver}. */
  turnEnds(ending: Ending): void {
    if (this.#asking > 0 || this.#run.state.replies.size > 0) {
      this.#endings.set(this.#run.state.turn, ending);
    }
  }

  turnOver(): void {
    this.#turnsEnded += 1;
  }

  /**
   * Resolves when nobody asks any more. Who asks for a turn that is still to come while the run
   * is leaving is told to ask again; the id is recognised then.
   */
  async asked(): Promise<void> {
    await until(() => this.#asking === 0);
  }

  /** What becomes of a message now: its policy while the agent works, otherwise `undefined`. */
  #admit({ id, whileWorking }: InboundMessage, given?: WhileWorking): WhileWorking | undefined {
    const { state, settings, paused } = this.#run;
    const policy = given ?? whileWorking ?? settings?.whileWorking ?? 'enqueue';
    // One that waits begins a turn at once, unless the session is paused.
    const working = state.open !== undefined || (state.queued > 0 && !paused);
    const known = id !== undefined && state.knows(id);
    if (policy === 'reject' && working && !known) {
      throw refusal(
        'Session.Busy',
        `The agent is working on turn ${state.open ? state.turn : state.turn + 1}, and the message may not wait: its "whileWorking" is "reject".`,
      );
    }
    return state.open ? policy : undefined;
  }

  #accept(
    input: unknown,
    late: boolean,
    given?: WhileWorking,
    mail: ReturnType<typeof readMailItem> = {},
  ): SendReceipt {
    const inbound = this.check(input, late);
    const { text, id = uuid4(), from } = inbound;
    const message = { id, text, ...(from === undefined ? {} : { from }), ...mail };
    if (this.#run.state.conflicts(message)) {
      throw refusal(
        'Message.Conflict',
        `A message with the id "${id}" was accepted before, with another text; this one was not added.`,
      );
    }
    const policy = this.#admit(inbound, given);
    const stops = policy === 'interrupt' || policy === 'rollback';
    const mode = policy === 'steer' ? policy : stops ? 'next' : undefined;
    const receipt = this.#run.state.accept(message, mode);
    // One that comes twice does nothing the second time.
    if (receipt.duplicate) return receipt;
    if (stops) this.#control.stopFor(id, policy === 'rollback');
    else if (policy === 'steer') this.#control.steer();
    return receipt;
  }

  /** A signal has no answer: what is wrong with its message is noted. */
  #acceptSignalled(input: unknown, late: boolean, given?: WhileWorking): Refusal | undefined {
    try {
      const reply = parseReplyTo(input);
      if (!reply.ok) throw refusal('Message.Invalid', reply.reason);
      if (reply.replyTo) this.#replies.checkRoom(idOf(input));
      this.#accept(input, late, given);
      return undefined;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#run.refuse(error.message, idOf(input));
      return error;
    }
  }

  /** Notes who waits for the answer to a message that was accepted. */
  async #promise(input: unknown): Promise<void> {
    const reply = parseReplyTo(input);
    const id = idOf(input);
    if (!reply.ok || !reply.replyTo || id === undefined) return;
    await this.#replies.expect(id, reply.replyTo);
  }

  async #refuse(input: unknown, { type, message }: Refusal): Promise<void> {
    const reply = parseReplyTo(input);
    const id = idOf(input);
    if (!reply.ok || !reply.replyTo || id === undefined) return;
    await this.#replies.send(reply.replyTo.workflowId, id, {
      failure: { type: type ?? 'Message.Invalid', message },
    });
  }

  /** How turns ended is kept as long as somebody may ask for it. */
  #forget(): void {
    if (this.#asking === 0 && this.#run.state.replies.size === 0) this.#endings.clear();
  }

  /** The answer of the turn that took the message, if that is over. Throws why there is none. */
  async #answerTo(id: string): Promise<Answer | null> {
    const { state } = this.#run;
    const turn = state.turnOf(id);
    if (turn === 0 || (turn === state.turn && state.open)) return null;
    const ending = turn === undefined ? undefined : this.#endings.get(turn);
    if (ending?.failure) throw refusal(ending.failure.type, ending.failure.message);
    if (ending?.answer && ending.whole) return ending.answer;
    try {
      return await this.#run.regular.short.readAnswer({ id });
    } catch (error) {
      const failure = failureOf(error);
      throw failure ? refusal(failure.type, failure.message) : error;
    }
  }
}

function idOf(input: unknown): string | undefined {
  const id: unknown =
    typeof input === 'object' ? (input as { id?: unknown } | null)?.id : undefined;
  return typeof id === 'string' ? clip(id, 128) : undefined;
}

function leaving() {
  return refusal('Session.ContinuedAsNew', 'The session goes on in a new run of its workflow.');
}
