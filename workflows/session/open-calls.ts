/**
 * Tool calls that the workflow itself runs: they wait, without a timer where they have no deadline,
 * until somebody answers them by their key. The desk takes the answers; the turn collects them.
 */
import type { CallAnswer, CallFate, WaitingCall } from '../../src/contracts/session.js';
import type { FailureInfo } from '../../src/contracts/failures.js';
import { jsonBytes, MOST_MESSAGE_JSON_BYTES } from '../../src/contracts/message.js';
import { callPlace } from '../../src/contracts/places.js';
import { clip } from '../../src/contracts/text.js';
import { refusal } from '../door.js';
import type { SessionRun } from './session-run.js';
import { until } from './waiting.js';

/** Decisions that are kept until their calls are looked at: more than an answer has calls. */
const MOST_DECIDED = 1_000;

/** The result that somebody gave. */
export type GivenResult =
  | { readonly output: string }
  | { readonly error: string }
  /** Why a sub-agent has none. */
  | { readonly failure: FailureInfo };

export class OpenCallDesk {
  /** A model call is under way, and may open calls. */
  opening = false;
  /** Calls whose decisions are being carried out: one may wait for an answer then. */
  readonly deciding = new Set<string>();
  readonly #run: SessionRun;
  readonly #answers = new Map<string, GivenResult>();
  /** Calls whose requests somebody has decided, as far as we were told. */
  readonly #decided = new Set<string>();

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
    if (!this.#mayOpen(call)) this.#checkOpen(call);
  }

  /** Takes an answer. The first one counts. */
  async answer({ call, output, error }: CallAnswer): Promise<{ call: string }> {
    this.#run.handles('update');
    // Whoever follows the events can be faster than the worker that tells us of the call.
    if (this.#mayOpen(call)) await until(() => !this.#mayOpen(call));
    // Also because two may have passed the check in the same task.
    this.#checkOpen(call);
    this.#answers.set(call, error === undefined ? { output: textOf(output) } : { error });
    return { call };
  }

  /** A person has decided the request of a call: its row says what. Anybody may say so. */
  decided(call: unknown): void {
    this.#run.handles('signal');
    if (typeof call !== 'string' || this.#decided.size >= MOST_DECIDED) return;
    const waits = this.#waiting.some(({ key, request }) => key === call && request !== undefined);
    if (waits || this.#mayOpen(call)) this.#decided.add(call);
  }

  /** The result of a call that a sub-agent answers. */
  give(key: string, result: GivenResult): void {
    this.#answers.set(key, result);
  }

  /** Whether an answer was taken that is not written yet. It must not be lost with the run. */
  get answered(): boolean {
    const { size } = this.#answers;
    return size > 0 || this.#waiting.some(({ key }) => this.#decided.has(key));
  }

  /** Whether this call has its answer. */
  has(key: string): boolean {
    return this.#answers.has(key) || this.#decided.has(key);
  }

  /** The answer of this call, once. */
  take(key: string): GivenResult | undefined {
    const answer = this.#answers.get(key);
    this.#answers.delete(key);
    this.#decided.delete(key);
    return answer;
  }

  /** No call waits any more: the turn is over. */
  clear(): void {
    this.#answers.clear();
    this.#decided.clear();
    this.deciding.clear();
  }

  /** Throws unless the call waits and has no answer. */
  #checkOpen(call: string): void {
    const open = this.#waiting.map(({ key }) => key);
    if (!open.includes(call)) {
      const fate = this.#run.state.fateOf(call);
      const why = fate
        ? `The call "${call}" ${FATES[fate]}`
        : `No call "${clip(call, 100)}" waits for an answer`;
      throw refusal(
        'Call.NotOpen',
        `${why}${open.length > 0 ? `; these wait: ${open.join(', ')}` : ''}.`,
      );
    }
    const { by, request } = this.#waiting.find(({ key }) => key === call) ?? {};
    if (request !== undefined) {
      throw refusal(
        'Call.NotOpen',
        `The call "${call}" waits for a person: decide the request ${request} in the inbox.`,
      );
    }
    if (typeof by === 'object') {
      const who = 'session' in by ? `the sub-agent ${by.session} answers` : 'sub-agents answer';
      throw refusal('Call.NotOpen', `The call "${call}" is one that ${who}.`);
    }
    if (this.#answers.has(call)) {
      throw refusal('Call.NotOpen', `The call "${call}" ${FATES.answered}.`);
    }
  }

  /** Whether the step under way may have made this call: its place is behind all that we know. */
  #mayOpen(call: string): boolean {
    if (this.deciding.has(call)) return true;
    return this.opening && (callPlace(call) ?? 0) > this.#run.state.head;
  }

  get #waiting(): readonly WaitingCall[] {
    return this.#run.state.open?.calls?.waiting ?? [];
  }
}

/** What the sender of a late answer is told. */
const FATES: Readonly<Record<CallFate, string>> = {
  answered: 'has been answered',
  refused: 'has been refused',
  timeout: 'was not answered in time',
  interrupted: 'ended with its turn, which was interrupted',
  rolledBack: 'ended with its turn, which was rolled back',
  failed: 'ended with its turn, which failed',
};

function invalid() {
  return refusal(
    'Request.Invalid',
    'The update "answer" takes { "call": "<key>", "output": … }, or "error" (text) instead of "output".',
  );
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
