/** From errors of providers to failures, as a table: F13. */
import { describe, expect, it } from 'vitest';
import { APIConnectionError, APIError } from 'openai';
import { classifyModelError } from '../../../src/llm/model-errors.js';
import { isRetryable } from '../../../src/contracts/failures.js';

const SECRET = 'very-secret-key-4711';
const place = {
  baseUrl: 'https://user:pw@api.example.com/v1?k=1',
  model: 'test-model',
  secrets: [SECRET],
  phase: 'request' as const,
};

/** An error as the `openai` package makes it out of an HTTP answer. */
function answered(
  status: number,
  error: object = { message: 'no' },
  headers: Record<string, string> = {},
) {
  return APIError.generate(status, { error }, undefined, new Headers(headers));
}

function network(code: string) {
  const cause = Object.assign(new Error(`${code} 1.2.3.4`), { code });
  return new APIConnectionError({ cause: new TypeError('fetch failed', { cause }) });
}

const cases: [title: string, error: unknown, type: string][] = [
  ['400', answered(400), 'Model.BadRequest'],
  [
    '400 invalid_api_key',
    answered(400, { code: 'invalid_api_key', message: 'x' }),
    'Model.Unauthorized',
  ],
  [
    '400 context_length_exceeded',
    answered(400, { code: 'context_length_exceeded' }),
    'Model.ContextOverflow',
  ],
  [
    "400 This model's maximum context length is …",
    answered(400, { message: "This model's maximum context length is 8192 tokens" }),
    'Model.ContextOverflow',
  ],
  [
    '400 prompt is too long',
    answered(400, { message: 'prompt is too long: 210000 tokens > 200000 maximum' }),
    'Model.ContextOverflow',
  ],
  [
    '400 input token count exceeds',
    answered(400, {
      message: 'The input token count (9) exceeds the maximum number of tokens allowed (8).',
    }),
    'Model.ContextOverflow',
  ],
  [
    '400 the request exceeds the available context size',
    answered(400, { message: 'the request exceeds the available context size, try increasing it' }),
    'Model.ContextOverflow',
  ],
  ['400 content_filter', answered(400, { code: 'content_filter', message: 'x' }), 'Model.Refused'],
  ['401', answered(401), 'Model.Unauthorized'],
  ['402', answered(402), 'Model.Unauthorized'],
  ['403', answered(403), 'Model.Unauthorized'],
  ['404', answered(404), 'Model.NotFound'],
  ['408', answered(408), 'Model.Unavailable'],
  ['409', answered(409), 'Model.Unavailable'],
  ['413', answered(413), 'Model.ContextOverflow'],
  ['422', answered(422), 'Model.BadRequest'],
  ['429', answered(429), 'Model.RateLimited'],
  ['429 insufficient_quota', answered(429, { code: 'insufficient_quota' }), 'Model.Unauthorized'],
  [
    '429 Request too large',
    answered(429, { message: 'Request too large for gpt-4o on tokens per min' }),
    'Model.ContextOverflow',
  ],
  ['500', answered(500), 'Model.Unavailable'],
  [
    '500 that mentions a context window',
    answered(500, { message: 'context window service down' }),
    'Model.Unavailable',
  ],
  ['503', answered(503), 'Model.Unavailable'],
  ['529', answered(529), 'Model.Unavailable'],
  ['ECONNREFUSED', network('ECONNREFUSED'), 'Model.Unavailable'],
  ['ENOTFOUND', network('ENOTFOUND'), 'Model.Unavailable'],
  ['ECONNRESET before the answer', network('ECONNRESET'), 'Model.Unavailable'],
  ['Node’s own headers timeout', network('UND_ERR_HEADERS_TIMEOUT'), 'Model.Stalled'],
  [
    'event: server_error',
    { type: 'error', code: 'server_error', message: 'x' },
    'Model.Unavailable',
  ],
  [
    'event: rate_limit_exceeded',
    { type: 'error', code: 'rate_limit_exceeded', message: 'x' },
    'Model.RateLimited',
  ],
  ['event: code 502 of a router', { type: 'error', code: 502, message: 'x' }, 'Model.Unavailable'],
  [
    'event: invalid_request_error',
    { type: 'invalid_request_error', message: 'x' },
    'Model.BadRequest',
  ],
  [
    'event: context_length_exceeded',
    { type: 'error', code: 'context_length_exceeded', message: 'x' },
    'Model.ContextOverflow',
  ],
  ['a string', 'boom', 'Model.Unavailable'],
];

describe('classifier', () => {
  it.each(
    cases.map(([title, error, type]) => {
      const retried = isRetryable(type as 'Model.Stalled') ? 'retried' : 'not retried';
      return [title, type, retried, error] as const;
    }),
  )('classifier: %s → %s, %s', (_title, type, _retried, error) => {
    const failure = classifyModelError(error, place, 0);
    expect(failure.type).toBe(type);
    expect(failure.message).toMatch(/^test-model at api\.example\.com /);
  });

  it('ECONNRESET in the middle of the answer → Model.StreamCut', () => {
    const failure = classifyModelError(network('ECONNRESET'), { ...place, phase: 'stream' }, 0);
    expect(failure.type).toBe('Model.StreamCut');
  });

  it('a base URL that is none → Model.NotFound', () => {
    const failure = classifyModelError(network('ERR_INVALID_URL'), { ...place, baseUrl: 'x' }, 0);
    expect(failure.type).toBe('Model.NotFound');
  });

  it('a message: what the provider said, once, short, without tags', () => {
    expect(classifyModelError(answered(400, { message: 'bad "foo"' }), place, 0).message).toBe(
      'test-model at api.example.com answered 400: bad "foo"',
    );
    const page = APIError.generate(
      502,
      undefined,
      `<html><b>Bad</b>${'x'.repeat(9000)}`,
      new Headers(),
    );
    const { message } = classifyModelError(page, place, 0);
    expect(message).not.toContain('<');
    expect(message.length).toBeLessThan(500);
  });

  it.each([SECRET, 'sk-proj-abcdef****wxyz', 'Bearer abcdefghijklmnop', 'AIzaSyA1234567890'])(
    'a message: quotes the key %s → redacted',
    (key) => {
      const failure = classifyModelError(
        answered(401, { message: `Wrong key: ${key}.` }),
        place,
        0,
      );
      expect(failure.message).not.toContain(key);
      expect(failure.message).toContain('[redacted]');
      expect(JSON.stringify(failure)).not.toContain(key);
    },
  );

  it('Retry-After: on a 429 → in the failure', () => {
    const failure = classifyModelError(answered(429, {}, { 'retry-after': '3' }), place, 0);
    expect(failure.retryAfterMs).toBe(3_000);
  });
});
