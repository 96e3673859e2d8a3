/**
 * A model for tests: a real OpenAI-compatible server on this machine that says what the test
 * wrote down, breaks where the test wants it to, and remembers what it was asked. It fails
 * loudly when its script runs out.
 *
 *     const model = await ScriptedModel.start();
 *     model.enqueue({ toolCalls: [{ name: 'add', arguments: { a: 1, b: 2 } }] }, 'It is 3.');
 *     // … a provider with baseUrl: model.baseUrl …
 *     model.assertDone();
 *     await model.stop();
 */
import { startAimockFront } from './aimock-front.js';
import type { AimockFront } from './aimock-front.js';
import type { EmbeddingPlan, SeenEmbedding } from './embedding-route.js';
import { planOf } from './scripted-response.js';
import type { ScriptedResponse } from './scripted-response.js';
import type { SeenRequest } from './seen-request.js';

export type { ScriptedCall, ScriptedError, ScriptedResponse } from './scripted-response.js';
export type { EmbeddingPlan, SeenEmbedding } from './embedding-route.js';
export type { SeenRequest } from './seen-request.js';

/** An answer: a text alone, all of it, or made for the request (a promise may wait for the test). */
export type Reply =
  | string
  | ScriptedResponse
  | ((request: SeenRequest) => string | ScriptedResponse | Promise<string | ScriptedResponse>);

/** A part of the last user message, or anything about the request. */
export type Match = string | RegExp | ((request: SeenRequest) => boolean);

/** A request whose connection the client closed before its answer was finished. */
export interface ClosedEarly {
  readonly request: SeenRequest;
  /** When, ms since the epoch. */
  readonly at: number;
}

/** Requests kept for {@link ScriptedModel.requests}; older ones are forgotten. */
const KEPT_REQUESTS = 5_000;

export class ScriptedModel {
  readonly requests: SeenRequest[] = [];
  readonly closedEarly: ClosedEarly[] = [];
  /** Requests for which there was no answer. */
  readonly exhausted: SeenRequest[] = [];
  /** Requests for embeddings. */
  readonly embedded: SeenEmbedding[] = [];
  #embedding: (
    request: SeenEmbedding,
  ) => EmbeddingPlan | Promise<EmbeddingPlan | undefined> | undefined = () => undefined;
  readonly #rules: { readonly match: Match; readonly reply: Reply; left: number }[] = [];
  readonly #queue: Reply[] = [];
  #waiting: (() => void)[] = [];
  #front!: AimockFront;

  private constructor() {}

  /** @param options.port default: a free one */
  static async start(options: { readonly port?: number } = {}): Promise<ScriptedModel> {
    const model = new ScriptedModel();
    model.#front = await startAimockFront({
      port: options.port,
      plan: async (request) => planOf(await model.#answer(request), request),
      embeddings: async (request) => {
        model.embedded.push(request);
        if (model.embedded.length > KEPT_REQUESTS) model.embedded.shift();
        model.#wake();
        return (await model.#embedding(request)) ?? 'answer';
      },
      onClosedEarly: (request) => {
        model.closedEarly.push({ request, at: Date.now() });
        model.#wake();
      },
    });
    return model;
  }

  /** `http://127.0.0.1:<port>/v1` */
  get baseUrl(): string {
    return this.#front.baseUrl;
  }

  /** Connections that clients have opened so far. */
  get connections(): number {
    return this.#front.connections();
  }

  /** Answers every request that fits, before the queue; the first rule that fits counts. */
  reply(match: Match, reply: Reply, options: { readonly times?: number } = {}): this {
    this.#rules.push({ match, reply, left: options.times ?? Infinity });
    return this;
  }

  /**
   * What is done with requests for embeddings from now on; `undefined` is what is done otherwise: a
   * text has the same vector each time, and texts that share parts of words are near each other.
   */
  embed(
    plan: (
      request: SeenEmbedding,
    ) => EmbeddingPlan | Promise<EmbeddingPlan | undefined> | undefined,
  ): this {
    this.#embedding = plan;
    return this;
  }

  /** Answers of the next requests, in this order. */
  enqueue(...replies: readonly Reply[]): this {
    this.#queue.push(...replies);
    return this;
  }

  /** Resolves once `condition` holds; it is asked after every request and every early close. */
  async until(condition: (model: this) => boolean): Promise<void> {
    while (!condition(this)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Throws when an answer was not fetched, or a request found none. */
  assertDone(): void {
    const problems = [
      ...(this.#queue.length > 0 ? [`${this.#queue.length} scripted answers were not used`] : []),
      ...this.exhausted.map((r) => `no answer for "${r.lastUserText.slice(0, 80)}"`),
    ];
    if (problems.length > 0) throw new Error(`Scripted model: ${problems.join('; ')}.`);
  }

  stop(): Promise<void> {
    return this.#front.stop();
  }

  async #answer(request: SeenRequest): Promise<ScriptedResponse> {
    this.requests.push(request);
    if (this.requests.length > KEPT_REQUESTS) this.requests.shift();
    const rule = this.#rules.find(({ match, left }) => left > 0 && fits(match, request));
    if (rule !== undefined) rule.left--;
    const reply = rule?.reply ?? this.#queue.shift();
    if (reply === undefined) this.exhausted.push(request);
    this.#wake();
    if (reply === undefined) return EXHAUSTED;
    const answer = typeof reply === 'function' ? await reply(request) : reply;
    return typeof answer === 'string' ? { text: answer } : answer;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** 400, so that nothing tries again. */
const EXHAUSTED: ScriptedResponse = {
  error: {
    status: 400,
    code: 'script_exhausted',
    message: 'script exhausted: the scripted model has no answer left for this request',
  },
};

function fits(match: Match, request: SeenRequest): boolean {
  if (typeof match === 'function') return match(request);
  if (typeof match === 'string') return request.lastUserText.includes(match);
  return request.lastUserText.search(match) >= 0;
}
