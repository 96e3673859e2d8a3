/**
 * One streamed model call, whichever API: opens it, watches it, hands each event to an
 * assembler, and turns whatever goes wrong into a `Model.*` failure. What the events mean is
 * in `chat-completions.ts` and `responses.ts`.
 */
import { PerduraError } from '../contracts/failures.js';
import type { ModelCallOptions, ModelResponse } from '../contracts/llm.js';
import type { Usage } from '../contracts/message.js';
import { classifyModelError, hostOf } from './model-errors.js';
import type { CallPlace } from './model-errors.js';
import { cleanResponse } from './response-text.js';
import { readServerSentEvents } from './sse.js';
import { StallGuard } from './stall-guard.js';

/** Puts an answer together from its events. */
export interface Assembler {
  /** Takes the data of one event. Throws for an error event, and for what is not JSON. */
  push(data: string): void;
  /** The provider has said that the answer is whole. */
  readonly done: boolean;
  /** The answer, or `undefined` when the stream ended before it was whole. */
  finish(): ModelResponse | undefined;
}

/** Who hears of the pieces of an answer. */
export type Output = Pick<ModelCallOptions, 'onDelta' | 'onCallDelta'>;

/** Micro-dollars of a usage; see `pricing.ts`. */
export type Price = (model: string, usage: Omit<Usage, 'costMicros'>) => number;

/**
 * A whole answer whose stream stays open has so long to end, ms. Reading on to the end keeps
 * the connection for the next call; waiting longer would hold up the turn.
 */
const DRAIN_MS = 500;

/**
 * Runs the call. Rejects with a `PerduraError`, or with the reason of the caller's signal; the
 * connection is closed by then.
 * @param open sends the request; resolves with the response once its headers have come
 */
export async function streamCall(
  open: (signal: AbortSignal) => Promise<Response>,
  assembler: Assembler,
  options: ModelCallOptions,
  call: Omit<CallPlace, 'phase'>,
): Promise<ModelResponse> {
  options.signal.throwIfAborted();
  const where = `${call.model} at ${hostOf(call.baseUrl)}`;
  const guard = new StallGuard(options.signal, options.stallTimeoutMs, where);
  let phase: CallPlace['phase'] = 'request';
  try {
    const response = await open(guard.signal);
    guard.touch();
    phase = 'stream';
    await readServerSentEvents(
      eventStream(response, where),
      () => guard.touch(),
      (data) => {
        if (assembler.done) return;
        assembler.push(data);
        if (assembler.done) guard.tighten(DRAIN_MS);
      },
    );
    // An aborted body may also just end.
    if (guard.signal.aborted) throw new Error('aborted');
  } catch (error) {
    // An abort must win over a whole answer: the caller has turned to something else.
    if (guard.cancelled) throw guard.reason();
    const answer = error instanceof PerduraError ? undefined : assembler.finish();
    if (answer !== undefined && isEndOfStream(error)) return cleanResponse(answer);
    throw guard.reason() ?? classifyModelError(error, { ...call, phase }, Date.now());
  } finally {
    guard.dispose();
  }
  const answer = assembler.finish();
  if (answer !== undefined) return cleanResponse(answer);
  throw new PerduraError('Model.StreamCut', `${where} ended its answer before it was complete.`);
}

/** Whether the transport ended, rather than the provider reporting an error of its own. */
function isEndOfStream(error: unknown): boolean {
  return !(typeof error === 'object' && error !== null && 'type' in error);
}

/** The body, when it is a stream of events: a wrong base URL answers 200 with a page. */
function eventStream(response: Response, where: string): AsyncIterable<Uint8Array> {
  const type = response.headers.get('content-type') ?? '';
  if (response.body === null || /^(?:text\/html|application\/json)/i.test(type)) {
    response.body?.cancel().catch(() => undefined);
    throw new PerduraError(
      type.startsWith('application/json') ? 'Model.BadRequest' : 'Model.NotFound',
      `${where} answered with ${type || 'nothing'} where a stream of events was asked for ` +
        '(does the base URL end in the version, as in "/v1"?).',
    );
  }
  return response.body;
}

/** An error within the stream, in the shape that `classifyModelError` reads; `type` marks it. */
export function errorEvent(error: unknown): object {
  if (typeof error !== 'object' || error === null) return { type: 'error', message: String(error) };
  return { type: 'error', ...error };
}
