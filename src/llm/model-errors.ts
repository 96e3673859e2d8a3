/**
 * From what went wrong with a provider to a `Model.*` failure. Pure: errors in, an error out;
 * the only place that knows the wording of providers. No key may ever get into a message.
 *
 *     408, 409, 5xx, network          Model.Unavailable      retried
 *     429                             Model.RateLimited      retried, after the delay asked for
 *     connection lost in the answer   Model.StreamCut        retried
 *     400, 422, other 4xx             Model.BadRequest
 *     401, 402, 403, no credit left   Model.Unauthorized
 *     404, wrong address              Model.NotFound
 *     too long a conversation         Model.ContextOverflow
 *     content filter                  Model.Refused
 */
import { PerduraError } from '../contracts/failures.js';
import type { FailureType } from '../contracts/failures.js';
import { redact } from './redact.js';
import { retryAfterMs } from './retry-after.js';

/** What a message may say about the call, and what it must hide. */
export interface CallPlace {
  readonly baseUrl: string;
  readonly model: string;
  /** Keys and header values; see {@link redact}. */
  readonly secrets: readonly string[];
  /** `request`: before the answer began. `stream`: in the middle of it. */
  readonly phase: 'request' | 'stream';
}

/** The parts of an error of the `openai` package, or of an error event in a stream. */
interface ProviderError {
  readonly status?: number | undefined;
  readonly code?: string | number | null | undefined;
  readonly type?: string | undefined;
  readonly message?: string | undefined;
  readonly headers?: { get(name: string): string | null } | undefined;
}

const OVERFLOW =
  /context[_ ](?:length|window)|maximum context|context_length_exceeded|prompt is too long|too many (?:input )?tokens|input (?:is too long|token count .* exceeds)|exceeds? the (?:model'?s )?(?:maximum|max|available) (?:context|input|number of tokens)|request too large/i;
const REFUSED =
  /content[_ ](?:filter|policy)|content management policy|responsible ?ai|invalid_prompt|safety system/i;
const NO_CREDIT =
  /insufficient[_ ](?:quota|balance|credit|funds)|billing_hard_limit|exceeded your current quota/i;
const BAD_KEY = /(?:invalid|incorrect|missing) api[_ -]?key|api key not valid|invalid_api_key/i;
/** The server hung up on a connection that was already up. */
const CUT = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'ERR_STREAM_PREMATURE_CLOSE']);
/** The 300 s timers of Node's own `fetch`, in case `stallTimeoutMs` is set beyond them. */
const SILENT = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

/** `host` or `host:port` of a base URL; never its path, query or user. */
export function hostOf(baseUrl: string): string {
  return URL.canParse(baseUrl) ? new URL(baseUrl).host : 'an invalid base URL';
}

/**
 * Classifies whatever a call threw. A `PerduraError` passes as it is. Whether the caller or
 * the stall guard ended the call must have been asked before.
 * @param now ms since the epoch, for `Retry-After` dates
 */
export function classifyModelError(error: unknown, place: CallPlace, now: number): PerduraError {
  if (error instanceof PerduraError) return error;
  const found = (typeof error === 'object' && error !== null ? error : {}) as ProviderError;
  const status = found.status ?? statusOfCode(found.code);
  const where = `${place.model} at ${hostOf(place.baseUrl)}`;
  const say = (type: FailureType, what: string, wait?: number): PerduraError =>
    new PerduraError(type, redact(`${where} ${what}`, place.secrets), { retryAfterMs: wait });

  // What a provider says in a stream is a plain object; an Error without a status is transport.
  if (status === undefined && (error instanceof Error || typeof error !== 'object')) {
    return networkFailure(error, place, say);
  }
  const said = quote(found.message ?? JSON.stringify(error)).replace(/^\d{3} /, '');
  const type = typeOf(status, `${found.code ?? ''} ${found.type ?? ''} ${found.message ?? ''}`);
  const wait = retryAfterMs((name) => found.headers?.get(name), now);
  const answered = status === undefined ? 'failed' : `answered ${status}`;
  return say(type, `${answered}: ${said}${HINTS[type] ?? ''}`, wait);
}

/** Behind the provider's words, where they alone do not say what to do. */
const HINTS: Partial<Record<FailureType, string>> = {
  'Model.NotFound': ' (Does the base URL end in the version, as in "/v1"?)',
};

/** By status and by the provider's words: code, type and message in one text. */
function typeOf(status: number | undefined, words: string): FailureType {
  // No credit comes as a 429, but waiting does not mend it: as final as a wrong key.
  if (status === 402 || NO_CREDIT.test(words)) return 'Model.Unauthorized';
  if (status === undefined || status < 500) {
    // Also a 429: "Request too large", more tokens in one request than a minute allows.
    if (status === 413 || (status !== 404 && OVERFLOW.test(words))) return 'Model.ContextOverflow';
    if (REFUSED.test(words)) return 'Model.Refused';
  }
  if (status === undefined) {
    if (/rate[_ ]limit/i.test(words)) return 'Model.RateLimited';
    return /invalid_request|invalid_image|BadRequest/i.test(words)
      ? 'Model.BadRequest'
      : 'Model.Unavailable';
  }
  if (status === 429) return 'Model.RateLimited';
  if (status === 408 || status === 409 || status >= 500) return 'Model.Unavailable';
  if (status === 401 || status === 403 || BAD_KEY.test(words)) return 'Model.Unauthorized';
  return status === 404 ? 'Model.NotFound' : 'Model.BadRequest';
}

function networkFailure(
  error: unknown,
  { phase, baseUrl }: CallPlace,
  say: (type: FailureType, what: string) => PerduraError,
): PerduraError {
  const code = causeCode(error);
  if (code === 'ERR_INVALID_URL' || !URL.canParse(baseUrl)) {
    return say('Model.NotFound', 'cannot be reached: its base URL is not a URL.');
  }
  const label = code ?? quote(deepestMessage(error)).replace(/\.+$/, '');
  if (code !== undefined && SILENT.has(code))
    return say('Model.Stalled', `said nothing: ${label}.`);
  if (phase === 'stream') {
    return say('Model.StreamCut', `broke off in the middle of its answer: ${label}.`);
  }
  return code !== undefined && CUT.has(code)
    ? say('Model.Unavailable', `closed the connection before it answered: ${label}.`)
    : say('Model.Unavailable', `cannot be reached: ${label}.`);
}

/** The code of the innermost cause that has one: `fetch failed` itself says nothing. */
function causeCode(error: unknown): string | undefined {
  let code: string | undefined;
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') code = at.code;
    // A host with several addresses fails with one error for each.
    if (at instanceof AggregateError) code = causeCode(at.errors[0]) ?? code;
  }
  return code;
}

function deepestMessage(error: unknown): string {
  let at = error;
  for (let depth = 0; at instanceof Error && at.cause instanceof Error && depth < 8; depth++) {
    at = at.cause;
  }
  return at instanceof Error ? at.message : String(at);
}

/** Routers put the HTTP status into the code of an error within the stream. */
function statusOfCode(code: unknown): number | undefined {
  const number = typeof code === 'string' ? Number(code) : code;
  return typeof number === 'number' && number >= 400 && number <= 599 ? number : undefined;
}

/** A provider's words, short, on one line; a proxy answers with whole pages of HTML. */
function quote(words: string): string {
  const text = words
    .slice(0, 4000)
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
