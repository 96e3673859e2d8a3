/**
 * How messages come in: what is refused, what is accepted into the queue, and what a sender who
 * asks is answered. Turns are run elsewhere; here it is only heard how they ended.
 */
import { ApplicationFailure, log, uuid4 } from '@temporalio/workflow';
import type { FailureInfo } from '../src/contracts/failures.js';
import {
  jsonBytes,
  MOST_MESSAGE_JSON_BYTES,
  parseInbound,
  utf8Bytes,
} from '../src/contracts/message.js';
import type { Answer, SendReceipt, SessionInput } from '../src/contracts/session.js';
import { regular } from './calls.js';
import { refusal, type SessionRun } from './session-run.js';
import { failureOf, until } from './turn.js';

/** How a turn ended, for those who asked. */
export type Ending = {
  readonly answer?: Answer;
  /** The answer holds the whole text, not only its beginning. */
  readonly whole?: boolean;
  readonly failure?: FailureInfo;
};

export class Reception {
  readonly #run: SessionRun;
  /** Turns that someone waits for, and how they ended. */
  readonly #endings = new Map<number, Ending>();
  #asking = 0;
  /** Turns that have ended in this run: when it changes, who asked may look again. */
  #turnsEnded = 0;

  constructor(run: SessionRun) {
    this.#run = run;
  }

  /** The messages that the session was started with, and what of its input was of no use. */
  takeFirst({ message, messages = [] }: SessionInput, problems: readonly string[]): void {
    for (const problem of problems) this.#notice(problem);
    const more: readonly unknown[] = Array.isArray(messages) ? messages : [messages];
    for (const first of [...(message === undefined ? [] : [message]), ...more]) {
      try {
        this.#accept(first);
      } catch (error) {
        if (!(error instanceof ApplicationFailure)) throw error;
        this.#refuse(error.message);
      }
    }
  }

  /** Throws what a sender is told when a message is refused. Synchronous: it validates updates. */
  check(input: unknown): { text: string; id?: string; from?: string } {
    if (this.#run.ending) throw refusal('Session.Closed', 'The session has ended.');
    const parsed = parseInbound(input);
    if (!parsed.ok) throw refusal('Message.Invalid', parsed.reason);
    const bytes = utf8Bytes(parsed.text);
    const most = this.#run.policy?.limits.maxMessageBytes;
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

  /** As {@link check}, for who wants an answer: of a run that is leaving none will come. */
  checkAsked(input: unknown): void {
    this.check(input);
    if (this.#run.leaving) throw leaving();
  }

  async send(input: unknown): Promise<SendReceipt> {
    this.#run.updates += 1;
    if (!this.#run.policy) await this.#run.ready();
    return this.#accept(input);
  }

  async ask(input: unknown): Promise<Answer> {
    this.#run.updates += 1;
    if (!this.#run.policy) await this.#run.ready();
    const { id } = this.#accept(input);
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
      if (this.#asking === 0) this.#endings.clear();
    }
  }

  /** A message that gets no answer. */
  async signal(input: unknown): Promise<void> {
    this.#run.signals += 1;
    try {
      if (!this.#run.policy) await this.#run.ready();
      this.#accept(input);
    } catch (error) {
      if (!(error instanceof ApplicationFailure)) throw error;
      this.#refuse(error.message);
    }
  }

  /** Keeps how the turn under way ends, for those who asked; they hear of it at {@link turnOver}. */
  turnEnds(ending: Ending): void {
    if (this.#asking > 0) this.#endings.set(this.#run.state.turn, ending);
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

  #accept(input: unknown): SendReceipt {
    const { text, id = uuid4(), from } = this.check(input);
    return this.#run.state.accept({ id, text, ...(from === undefined ? {} : { from }) });
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
      return await regular.readAnswer({ id });
    } catch (error) {
      const failure = failureOf(error);
      throw failure ? refusal(failure.type, failure.message) : error;
    }
  }

  /** A signal has no answer: the log and the details say why the message was not taken. */
  #refuse(reason: string): void {
    this.#notice(`A message was refused: ${reason}`);
  }

  #notice(text: string): void {
    log.warn(text, { ...this.#run.key });
    this.#run.details.notice(text);
    this.#run.show();
  }
}

function leaving(): ApplicationFailure {
  return refusal('Session.ContinuedAsNew', 'The session goes on in a new run of its workflow.');
}
