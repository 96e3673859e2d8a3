/**
 * One attempt at a model call, from its request to its bill: its deadline, what it said until it
 * was stopped, the check of structured output, and what it cost where the provider did not say.
 * Knows no session; whoever keeps a record of the call hears of it through a {@link CallLedger}.
 */
import { PerduraError, type FailureType } from '../contracts/failures.js';
import type { LLMClient, ModelRequest, ModelResponse } from '../contracts/llm.js';
import { NO_USAGE, wellFormed, type Usage } from '../contracts/message.js';
import { estimateTokens } from './context-window.js';
import { checkStructuredOutput } from './structured-output.js';

/** What a call has cost so far is reported at most this much later, ms. */
const REPORT_MS = 2_000;
/** Longest delay of a Node timer, ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Errors of a schema that one failure names. */
const MOST_ERRORS = 5;

/**
 * Failures of a request that the provider had accepted: its input was read, so it is billed
 * even when nothing was said. Any other failure without a word is a refusal, and costs nothing.
 */
const ACCEPTED: ReadonlySet<FailureType> = new Set([
  'Model.StreamCut',
  'Model.Stalled',
  'Model.DeadlineExceeded',
]);

export interface ModelCall {
  readonly client: LLMClient;
  readonly request: ModelRequest;
  /** Estimated tokens of the request. */
  readonly inputTokens: number;
  /** Stops the call: the connection is closed, and what was said until then is handed back. */
  readonly signal: AbortSignal;
  readonly stallTimeoutMs: number;
  /** Longest call, ms: beyond it the call fails with `Model.DeadlineExceeded`. */
  readonly deadlineMs: number;
}

/** Who records a call while it runs. Neither method may throw. */
export interface CallLedger {
  /** Each piece of text and reasoning, in order. */
  said?(channel: 'text' | 'reasoning', text: string): void;
  /** What the call has cost so far, estimated: this process may die at any moment. */
  spent?(usage: Usage): void;
}

/** What a call said before it ended otherwise than with an answer. */
export interface PartialAnswer {
  readonly text: string;
  readonly reasoning: string;
}

/** How a call ended. `usage` is its whole bill. */
export type ModelCallEnd =
  | { readonly outcome: 'answered'; readonly response: ModelResponse; readonly usage: Usage }
  /** By the signal of the caller. */
  | { readonly outcome: 'stopped'; readonly said: PartialAnswer; readonly usage: Usage }
  | {
      readonly outcome: 'failed';
      readonly error: PerduraError;
      readonly said: PartialAnswer;
      readonly usage: Usage;
    };

/** What a call costs by our own estimate: its input, and the text that came out of it. */
export function estimateUsage(
  { price }: Pick<LLMClient, 'price'>,
  model: string,
  input: number,
  output = '',
): Usage {
  const usage = { ...NO_USAGE, input, output: estimateTokens(output), estimated: true };
  return { ...usage, costMicros: price(model, usage) };
}

/** Runs the call. Rejects only for a mistake in our own code. */
export async function runModelCall(
  call: ModelCall,
  ledger: CallLedger = {},
): Promise<ModelCallEnd> {
  const { client, request, signal } = call;
  const output = new Output(ledger);
  const estimate = () => estimateUsage(client, request.model, call.inputTokens, output.all);
  const deadline = new AbortController();
  const timer = setTimeout(
    () => deadline.abort(deadlineExceeded(call)),
    Math.min(call.deadlineMs, LONGEST_TIMER_MS),
  );
  let reported = 0;
  const reports = setInterval(() => {
    if (output.length === reported) return;
    reported = output.length;
    ledger.spent?.(estimate());
  }, REPORT_MS);
  try {
    const response = await client.complete(request, {
      signal: AbortSignal.any([signal, deadline.signal]),
      onDelta: (channel, text) => output.say(channel, text),
      onCallDelta: (text) => output.call(text),
      stallTimeoutMs: call.stallTimeoutMs,
    });
    const usage =
      response.usage ?? estimateUsage(client, request.model, call.inputTokens, wordsOf(response));
    const error = outputError(request, response);
    if (!error) return { outcome: 'answered', response, usage };
    const { text, reasoning } = response;
    return { outcome: 'failed', error, said: { text, reasoning }, usage };
  } catch (error) {
    const { said } = output;
    if (signal.aborted) return { outcome: 'stopped', said, usage: estimate() };
    if (!(error instanceof PerduraError)) throw error;
    const billed = output.length > 0 || ACCEPTED.has(error.type);
    return { outcome: 'failed', error, said, usage: billed ? estimate() : NO_USAGE };
  } finally {
    clearTimeout(timer);
    clearInterval(reports);
  }
}

/** All that a model has said: what it is paid for. */
class Output {
  length = 0;
  readonly #ledger: CallLedger;
  readonly #pieces: Record<'text' | 'reasoning' | 'calls', string[]> = {
    text: [],
    reasoning: [],
    calls: [],
  };

  constructor(ledger: CallLedger) {
    this.#ledger = ledger;
  }

  say(channel: 'text' | 'reasoning', text: string): void {
    this.#add(channel, text);
    this.#ledger.said?.(channel, text);
  }

  call(text: string): void {
    this.#add('calls', text);
  }

  get said(): PartialAnswer {
    const { text, reasoning } = this.#pieces;
    return { text: wellFormed(text.join('')), reasoning: wellFormed(reasoning.join('')) };
  }

  get all(): string {
    return Object.values(this.#pieces).flat().join('');
  }

  #add(channel: 'text' | 'reasoning' | 'calls', text: string): void {
    this.#pieces[channel].push(text);
    this.length += text.length;
  }
}

function wordsOf({ text, reasoning, toolCalls }: ModelResponse): string {
  return [text, reasoning, ...toolCalls.flatMap((call) => [call.name, call.arguments])].join('');
}

function deadlineExceeded({ request, deadlineMs }: ModelCall): PerduraError {
  return new PerduraError(
    'Model.DeadlineExceeded',
    `${request.model} had not finished its answer after ${deadlineMs / 1_000} s.`,
  );
}

/** An answer that is not what `responseFormat` asks for. */
function outputError(
  { responseFormat }: ModelRequest,
  { text, toolCalls, finish }: ModelResponse,
): PerduraError | undefined {
  if (!responseFormat || toolCalls.length > 0 || finish !== 'stop') return undefined;
  const checked = checkStructuredOutput(text, responseFormat.schema);
  if (checked.ok) return undefined;
  return new PerduraError(
    'Model.InvalidOutput',
    `The answer does not match the schema "${responseFormat.name}": ${checked.errors.slice(0, MOST_ERRORS).join('; ')}`,
  );
}
