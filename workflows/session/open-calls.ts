/**
 * Tool calls that the workflow itself runs: they wait, without a timer where they have no deadline,
 * until somebody answers them by their key. The desk takes the answers; the turn collects them.
 */
import type { CallAnswer, WaitingCall } from '../../src/contracts/session.js';
import { jsonBytes, MOST_MESSAGE_JSON_BYTES } from '../../src/contracts/message.js';
import { refusal } from '../door.js';
import type { SessionRun } from './session-run.js';

/** The result that somebody gave. */
export type GivenResult = { readonly output: string } | { readonly error: string };

export class OpenCallDesk {
  readonly #run: SessionRun;
  readonly #answers = new Map<string, GivenResult>();

  constructor(run: SessionRun) {
    this.#run = run;
  }

  /** Throws why an answer is refused. Synchronous: it validates updates. */
  check(answer: unknown): void {
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) {
      throw invalid();
    }
    const { call, output, error } = answer as Partial<Record<keyof CallAnswer, unknown>>;
    if (typeof call !== 'string') throw invalid();
    if (error !== undefined && typeof error !== 'string') throw invalid();
    if ((output === undefined) === (error === undefined)) throw invalid();
    const bytes = jsonBytes(textOf(error ?? output));
    if (bytes > MOST_MESSAGE_JSON_BYTES) {
      throw refusal(
        'Message.TooLarge',
        `The answer has ${bytes} bytes as JSON; the limit is ${MOST_MESSAGE_JSON_BYTES}.`,
      );
    }
    if (this.#waiting(call) === undefined) {
      const open = (this.#run.state.open?.calls?.waiting ?? []).map(({ key }) => key);
      throw refusal(
        'Call.NotOpen',
        `No call "${call.slice(0, 100)}" waits for an answer${open.length > 0 ? `; these do: ${open.join(', ')}` : ''}.`,
      );
    }
    if (this.#answers.has(call)) {
      throw refusal('Call.NotOpen', `The call "${call}" has been answered.`);
    }
  }

  /** Takes an answer. The first one counts. */
  answer({ call, output, error }: CallAnswer): { call: string } {
    this.#run.updates += 1;
    // Two may have passed the check in the same task.
    if (this.#answers.has(call)) {
      throw refusal('Call.NotOpen', `The call "${call}" has been answered.`);
    }
    this.#answers.set(call, error === undefined ? { output: textOf(output) } : { error });
    return { call };
  }

  /** Whether this call has its answer. */
  has(key: string): boolean {
    return this.#answers.has(key);
  }

  /** The answer of this call, once. */
  take(key: string): GivenResult | undefined {
    const answer = this.#answers.get(key);
    this.#answers.delete(key);
    return answer;
  }

  /** No call waits any more: the turn is over. */
  clear(): void {
    this.#answers.clear();
  }

  #waiting(key: string): WaitingCall | undefined {
    return this.#run.state.open?.calls?.waiting.find((call) => call.key === key);
  }
}

function invalid() {
  return refusal(
    'Request.Invalid',
    'The update "answer" takes { "call": "<key>", "output": … }, or "error" (text) instead of "output".',
  );
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
