/**
 * Messages to a workflow of an application: the signal `message` and the update `send`, as a session
 * has them, so that the same clients can talk to it. Handed out in order, each id once.
 */
import { uuid4 } from '@temporalio/workflow';
import {
  jsonBytes,
  MOST_MESSAGE_JSON_BYTES,
  parseInbound,
  type InboxMessage,
} from '../../src/contracts/message.js';
import type { SendReceipt } from '../../src/contracts/session.js';
import { isRefusal, onSignal, onUpdate, refusal } from '../door.js';
import { messageSignal, sendUpdate } from '../session/handlers.js';
import { SessionState } from '../session/session-state.js';
import { condition } from '../session/waiting.js';

/** What the next run of the workflow needs, so that no message is lost or taken twice. */
export interface CarriedInbox {
  readonly inbox: readonly InboxMessage[];
  readonly seen: readonly (readonly [id: string, turn: number, digest?: number])[];
}

export class Inbox {
  readonly #state: SessionState;
  readonly #waiting: InboxMessage[];

  constructor(carried?: CarriedInbox) {
    this.#state = new SessionState();
    this.#waiting = [...(carried?.inbox ?? [])];
    this.#state.remember(carried?.seen ?? []);
    onSignal(messageSignal, (message) => this.#signalled(message), {
      description: 'Takes a message.',
    });
    onUpdate(sendUpdate, (message) => this.#accept(message), {
      validator: (message) => void this.#check(message),
      description: 'Takes a message; answers when it is accepted.',
    });
  }

  /** Messages that nobody has taken. */
  get size(): number {
    return this.#waiting.length;
  }

  /** The next message. Waits for it; `undefined` when none has come after `timeoutMs`. */
  async next(): Promise<InboxMessage>;
  async next(options: { readonly timeoutMs: number }): Promise<InboxMessage | undefined>;
  async next({ timeoutMs }: { readonly timeoutMs?: number } = {}): Promise<
    InboxMessage | undefined
  > {
    for (;;) {
      const message = this.#waiting.shift();
      if (message) return message;
      const come = () => this.#waiting.length > 0;
      if (timeoutMs === undefined) await condition(come);
      else if (!(await condition(come, timeoutMs))) return undefined;
    }
  }

  /** All of them, one after another, without an end. */
  async *[Symbol.asyncIterator](): AsyncGenerator<InboxMessage, never> {
    for (;;) yield await this.next();
  }

  /** For the input of continue-as-new, when `allHandlersFinished`. */
  carry(): CarriedInbox {
    return { inbox: [...this.#waiting], seen: this.#state.carry().seen };
  }

  #check(input: unknown): { text: string; id?: string; from?: string } {
    const parsed = parseInbound(input);
    if (!parsed.ok) throw refusal('Message.Invalid', parsed.reason);
    if (jsonBytes(parsed.text) > MOST_MESSAGE_JSON_BYTES) {
      throw refusal(
        'Message.TooLarge',
        `As JSON a message may have ${MOST_MESSAGE_JSON_BYTES} bytes.`,
      );
    }
    return parsed;
  }

  #accept(input: unknown): SendReceipt {
    const { text, id = uuid4(), from } = this.#check(input);
    const message = { id, text, ...(from === undefined ? {} : { from }) };
    if (this.#state.conflicts(message)) {
      throw refusal(
        'Message.Conflict',
        `A message with the id "${id}" was accepted before, with another text.`,
      );
    }
    const ahead = this.#waiting.length;
    const { duplicate } = this.#state.accept(message);
    this.#state.drain();
    if (!duplicate) this.#waiting.push(message);
    return { id, duplicate, ahead: duplicate ? 0 : ahead };
  }

  /** A signal has no answer; a message that is none is left out. */
  #signalled(input: unknown): void {
    try {
      this.#accept(input);
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
  }
}

/** Takes messages from now on; what came before waits in Temporal. Once in each run of a workflow. */
export function receive(carried?: CarriedInbox): Inbox {
  return new Inbox(carried);
}
