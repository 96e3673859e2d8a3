/** What a scripted model may answer, and how that becomes a plan for aimock. Pure. */
import type { FixtureResponse } from '@copilotkit/aimock';
import type { Plan } from './aimock-front.js';
import { list, record } from './seen-request.js';
import type { Json, SeenRequest } from './seen-request.js';

export interface ScriptedCall {
  /** Made up when absent. */
  readonly id?: string;
  readonly name: string;
  /** An object, or the very text: malformed JSON is passed on as it is. */
  readonly arguments?: string | object;
}

/** Token counts, as {@link Usage} has them; what is absent is 0. */
export interface ScriptedUsage {
  readonly input?: number;
  readonly output?: number;
  readonly cached?: number;
  readonly reasoning?: number;
}

export interface ScriptedError {
  readonly status: number;
  readonly message?: string;
  readonly code?: string;
  readonly type?: string;
  /** `Retry-After`: seconds, a date, or the very text. */
  readonly retryAfter?: number | Date | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One answer. An empty one is an empty text. */
export interface ScriptedResponse {
  readonly text?: string;
  readonly reasoning?: string;
  readonly toolCalls?: readonly ScriptedCall[];
  /** The text is sent as a refusal. */
  readonly refusal?: boolean;
  readonly finish?: 'stop' | 'length' | 'content_filter';
  /** Default: what aimock estimates. `null`: none is reported. */
  readonly usage?: ScriptedUsage | null;
  /** The model's name in the answer. */
  readonly model?: string;
  readonly error?: ScriptedError;
  /** `true`: never answers. A number: goes silent after so many events. */
  readonly hang?: true | number;
  /** Ends unfinished after so many events; see {@link StreamShape}. */
  readonly cutAfter?: number;
  readonly cutBy?: 'connection' | 'end';
  /** Before each piece, ms. Default 0. */
  readonly chunkDelayMs?: number;
  /** Before the first piece, ms. */
  readonly firstDelayMs?: number;
  /** Characters of a piece. Default 20. */
  readonly chunkSize?: number;
}

export function planOf(answer: ScriptedResponse, { api }: SeenRequest): Plan {
  if (answer.hang === true) return { do: 'hang' };
  if (answer.error !== undefined) return errorPlan(answer.error);
  const toolCalls = answer.toolCalls?.map(({ id, name, arguments: args = {} }) => ({
    name,
    arguments: typeof args === 'string' ? args : JSON.stringify(args),
    ...(id === undefined ? {} : { id }),
  }));
  const response = {
    ...(toolCalls === undefined || answer.text !== undefined ? { content: answer.text ?? '' } : {}),
    ...(toolCalls === undefined ? {} : { toolCalls }),
    ...(answer.reasoning === undefined ? {} : { reasoning: answer.reasoning }),
    ...(answer.finish === undefined ? {} : { finishReason: answer.finish }),
    ...(answer.model === undefined ? {} : { model: answer.model }),
  } as FixtureResponse;
  return {
    do: 'answer',
    response,
    chunkDelayMs: answer.chunkDelayMs,
    firstDelayMs: answer.firstDelayMs,
    chunkSize: answer.chunkSize,
    cutAfter: answer.cutAfter,
    cutBy: answer.cutBy,
    hangAfter: answer.hang,
    rewrite:
      answer.usage === undefined && answer.refusal !== true
        ? undefined
        : (event) => (api === 'chat' ? chatEvent(event, answer) : responsesEvent(event, answer)),
  };
}

function errorPlan({ status, message, code, type, retryAfter, headers }: ScriptedError): Plan {
  const wait = retryAfter instanceof Date ? retryAfter.toUTCString() : retryAfter;
  return {
    do: 'status',
    status,
    headers: { ...(wait === undefined ? {} : { 'retry-after': String(wait) }), ...headers },
    body: {
      error: {
        message: message ?? `scripted error ${status}`,
        type: type ?? (status < 500 ? 'invalid_request_error' : 'server_error'),
        param: null,
        code: code ?? null,
      },
    },
  };
}

/** aimock reports no cached tokens, none for reasoning, and knows no refusals. */
function chatEvent(event: Json, { usage, refusal }: ScriptedResponse): Json | undefined {
  if (usage !== undefined && typeof event.usage === 'object') {
    if (usage === null) return undefined;
    const { input = 0, output = 0, cached = 0, reasoning = 0 } = usage;
    return {
      ...event,
      usage: {
        prompt_tokens: input,
        completion_tokens: output,
        total_tokens: input + output,
        prompt_tokens_details: { cached_tokens: cached },
        completion_tokens_details: { reasoning_tokens: reasoning },
      },
    };
  }
  if (refusal !== true) return event;
  return {
    ...event,
    choices: list(event.choices).map((choice) => {
      const { content, ...delta } = record(choice.delta);
      return content ? { ...choice, delta: { ...delta, refusal: content } } : choice;
    }),
  };
}

function responsesEvent(event: Json, { usage, refusal }: ScriptedResponse): Json {
  if (refusal === true && event.type === 'response.output_text.delta') {
    return { ...event, type: 'response.refusal.delta' };
  }
  if (usage === undefined || event.type !== 'response.completed') return event;
  const { input = 0, output = 0, cached = 0, reasoning = 0 } = usage ?? {};
  const shown = {
    input_tokens: input,
    output_tokens: output,
    total_tokens: input + output,
    input_tokens_details: { cached_tokens: cached },
    output_tokens_details: { reasoning_tokens: reasoning },
  };
  return {
    ...event,
    response: { ...record(event.response), usage: usage === null ? null : shown },
  };
}
