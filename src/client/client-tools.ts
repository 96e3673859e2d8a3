/**
 * Tools that the holder of a session runs (`run: 'client'`): follows the events, calls the function of
 * each tool that is called, and answers. The place in the stream is what makes it once: each
 * `tool.waiting` is seen once, also over a reconnect, and what was answered meanwhile is not run.
 */
import type { StreamItem } from '../contracts/events.js';
import { PerduraError, type FailureType } from '../contracts/failures.js';
import { nearNames } from '../contracts/near-names.js';
import type { CallAnswer } from '../contracts/session.js';
import { isTurnEnd } from '../contracts/turn-end.js';
import type { EventsOptions } from './event-stream.js';

/** A call as its function gets it, beside the arguments. */
export interface ClientCall {
  /** Unique in the session. */
  readonly key: string;
  readonly name: string;
  readonly turn: number;
  readonly step: number;
  /** When the session stops waiting, ISO 8601. Absent: never. */
  readonly until?: string;
  /** Aborted when nobody waits for the result any more, and when serving stops. */
  readonly signal: AbortSignal;
}

/**
 * Runs a call. Its result is text, or anything that JSON holds; what it throws is the refusal that
 * the model sees. `args` are as the model wrote them, checked against the tool's schema.
 */
export type ClientTool = {
  // A method, so that a function may name the type of its arguments.
  run(args: unknown, call: ClientCall): unknown;
}['run'];

/** By the name of the tool. */
export type ClientTools = Readonly<Record<string, ClientTool>>;

export interface ServeOptions {
  /** Stops serving, as `stop` does. */
  readonly signal?: AbortSignal;
  /** Told of failures of the stream and of answers that are tried again. Default: nobody. */
  readonly onError?: (error: unknown) => void;
}

/** What serving needs of a session. */
export interface ServedSession {
  /** Number of the event that began the newest turn; `undefined` before any. */
  lastTurnStart(): Promise<number | undefined>;
  events(options: EventsOptions): AsyncGenerator<StreamItem, void, undefined>;
  argumentsOf(key: string): Promise<string>;
  answer(answer: CallAnswer): Promise<void>;
}

/** Pause before the stream is opened again, or an answer is sent again, ms. */
const AGAIN_MS = [100, 250, 500, 1_000, 2_000] as const;

/** An answer that will not be taken, however often it is sent. */
const FINAL: readonly FailureType[] = [
  'Call.NotOpen',
  'Session.Closed',
  'Session.NotFound',
  'Session.NoWorkflow',
  'Request.Invalid',
];

type Waiting = Extract<StreamItem, { type: 'tool.waiting' }>;

interface OpenCall {
  readonly item: Waiting;
  /** Set when its function was called. */
  abort?: AbortController;
}

/** Tools that are served until `stop` is called or the session ends. */
export class ServedTools implements AsyncDisposable {
  /** Resolves when no call is served any more. Never rejects. */
  readonly ended: Promise<void>;
  readonly #session: ServedSession;
  readonly #tools: ClientTools;
  readonly #onError: (error: unknown) => void;
  readonly #stopping = new AbortController();
  /** Calls that wait, by turn, step and the model's id. */
  readonly #open = new Map<string, OpenCall>();
  readonly #running = new Set<Promise<void>>();
  /** Number of the last event that was seen. */
  #after = 0;

  constructor(session: ServedSession, tools: ClientTools, options: ServeOptions = {}) {
    this.#session = session;
    this.#tools = tools;
    this.#onError = options.onError ?? (() => undefined);
    const { signal } = options;
    if (signal?.aborted) this.#stopping.abort(signal.reason);
    else
      signal?.addEventListener('abort', () => this.#stopping.abort(signal.reason), { once: true });
    this.ended = this.#serve();
  }

  /**
   * Takes no more calls, aborts the signals of those under way, and waits for their functions. A
   * result that still comes is given; a call that has none waits for whoever serves next.
   */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('Serving was stopped.'));
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #serve(): Promise<void> {
    const { signal } = this.#stopping;
    let known = false;
    for (let failures = 0; !signal.aborted;) {
      try {
        if (!known) {
          // The turn under way may have calls that wait.
          this.#after = ((await this.#session.lastTurnStart()) ?? 1) - 1;
          known = true;
        }
        // Up to now first: a call that was settled since it was made is not run.
        for await (const item of this.#session.events({ after: this.#after, live: false })) {
          this.#take(item);
        }
        for (const call of this.#open.values()) this.#start(call);
        failures = 0;
        for await (const item of this.#session.events({ after: this.#after, signal })) {
          const call = this.#take(item);
          if (call) this.#start(call);
        }
        // The session has ended, or nobody reads any more.
        break;
      } catch (error) {
        if (signal.aborted) break;
        this.#onError(error);
        await pause(failures++, signal);
      }
    }
    for (const { abort } of this.#open.values()) abort?.abort(signal.reason);
    await Promise.all(this.#running);
  }

  /** The call that began to wait, where the item says so. */
  #take(item: StreamItem): OpenCall | undefined {
    if ('n' in item) this.#after = item.n;
    if (isTurnEnd(item)) {
      for (const [place, { item: made }] of this.#open) {
        if (made.turn === item.turn) this.#close(place);
      }
    }
    if (item.type === 'tool.completed') this.#close(placeOf(item));
    if (item.type !== 'tool.waiting') return undefined;
    if (!Object.hasOwn(this.#tools, item.name)) {
      this.#missed(item.name);
      return undefined;
    }
    const call: OpenCall = { item };
    this.#open.set(placeOf(item), call);
    return call;
  }

  /** A call of a tool that is not served here. Somebody else may; a name that is near is a mistake. */
  #missed(name: string): void {
    const [near] = nearNames(name, Object.keys(this.#tools), 1);
    if (near === undefined) return;
    const message = `A call of "${name}" waits, and "${near}" is served. Serve it under the name of the tool.`;
    this.#onError(new PerduraError('Tool.Unknown', message, { saysRemedy: true }));
  }

  #close(place: string): void {
    this.#open.get(place)?.abort?.abort(new Error('Nobody waits for the result any more.'));
    this.#open.delete(place);
  }

  #start(call: OpenCall): void {
    if (call.abort || this.#stopping.signal.aborted) return;
    call.abort = new AbortController();
    const running = this.#run(call.item, call.abort.signal).catch(this.#onError);
    this.#running.add(running);
    void running.then(() => this.#running.delete(running));
  }

  async #run(item: Waiting, signal: AbortSignal): Promise<void> {
    const { key, name, turn, step, until, args } = item;
    let answer: CallAnswer;
    try {
      const given = args ?? (await this.#session.argumentsOf(key));
      const call = { key, name, turn, step, signal, ...(until === undefined ? {} : { until }) };
      const parsed: unknown = given.trim() === '' ? {} : JSON.parse(given);
      const output = await this.#tools[name]!(parsed, call);
      answer = { call: key, output: output === undefined ? null : output };
    } catch (error) {
      // Nobody waits; or whoever serves next runs the call.
      if (signal.aborted || this.#stopping.signal.aborted) return;
      answer = { call: key, error: reasonOf(error) };
    }
    await this.#give(answer);
  }

  /** Until it is taken, or will not be: the function has run, and its result must not be lost. */
  async #give(answer: CallAnswer): Promise<void> {
    for (let failures = 0; ;) {
      try {
        return await this.#session.answer(answer);
      } catch (error) {
        const type = error instanceof PerduraError ? error.type : undefined;
        if (type !== undefined && FINAL.includes(type)) return;
        this.#onError(error);
        if (type === 'Message.TooLarge') answer = { call: answer.call, error: reasonOf(error) };
        else if (this.#stopping.signal.aborted) return;
        await pause(failures++, this.#stopping.signal);
      }
    }
  }
}

function placeOf({ turn, step, callId }: { turn: number; step: number; callId: string }): string {
  return `${turn}.${step}.${callId}`;
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message === '' ? 'The tool failed and does not say why.' : message;
}

/** Ends early when nobody serves any more. */
function pause(failures: number, signal: AbortSignal): Promise<void> {
  const ms = AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)]!;
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms * (0.5 + Math.random()));
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
