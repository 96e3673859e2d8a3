/** Puts together the streamed answer of chat completions, of OpenAI and of compatible endpoints. */
import { randomUUID } from 'node:crypto';
import type OpenAI from 'openai';
import type { ModelResponse } from '../contracts/llm.js';
import type { Usage } from '../contracts/message.js';
import { errorEvent } from './stream-call.js';
import type { Assembler, Output, Price } from './stream-call.js';
import { tokenCounts } from './token-counts.js';

/** A piece of the answer, with the fields for reasoning that compatible endpoints add. */
type Chunk = Partial<Omit<OpenAI.ChatCompletionChunk, 'choices' | 'usage'>> & {
  readonly error?: unknown;
  readonly usage?: ChatUsage | null;
  readonly choices?: readonly {
    readonly finish_reason?: string | null;
    readonly delta?: Delta;
  }[];
};
interface Delta {
  readonly content?: string | null;
  readonly refusal?: string | null;
  /** DeepSeek, vLLM, aimock. */
  readonly reasoning_content?: string | null;
  /** OpenRouter, Groq, newer vLLM. */
  readonly reasoning?: string | null;
  readonly tool_calls?: readonly CallDelta[];
}
interface CallDelta {
  readonly index?: number;
  readonly id?: string | null;
  readonly function?: { readonly name?: string | null; readonly arguments?: string | null };
}
type ChatUsage = Partial<OpenAI.CompletionUsage> & {
  /** DeepSeek's name for cached tokens. */
  readonly prompt_cache_hit_tokens?: number;
};
interface OpenCall {
  id: string;
  name: string;
  readonly args: string[];
}

export class ChatAssembler implements Assembler {
  done = false;
  readonly #text: string[] = [];
  readonly #reasoning: string[] = [];
  readonly #calls: OpenCall[] = [];
  readonly #byIndex = new Map<number, OpenCall>();
  readonly #output: Output;
  readonly #price: Price;
  /** As asked for: `prices` go by this name; the provider's own name is tried behind it. */
  readonly #asked: string;
  #model = '';
  #finish: string | undefined;
  #refused = false;
  #usage: ChatUsage | undefined;

  constructor(model: string, output: Output, price: Price) {
    this.#asked = model;
    this.#output = output;
    this.#price = price;
  }

  push(data: string): void {
    if (data.startsWith('[DONE]')) {
      this.done = true;
      return;
    }
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error) throw errorEvent(chunk.error);
    if (chunk.model && this.#model === '') this.#model = chunk.model;
    // Alone in the last chunk, or growing in every one: the last counts.
    if (chunk.usage) this.#usage = chunk.usage;
    const choice = chunk.choices?.[0];
    if (choice === undefined) return;
    if (choice.delta) this.#take(choice.delta);
    if (choice.finish_reason) this.#finish = choice.finish_reason;
  }

  finish(): ModelResponse | undefined {
    // Some endpoints leave out one of the two signs of the end; both missing is a cut.
    if (this.#finish === undefined && !this.done) return undefined;
    const toolCalls = this.#calls.map(({ id, name, args }) => ({
      id,
      name,
      arguments: args.join(''),
    }));
    const model = this.#model || this.#asked;
    return {
      text: this.#text.join(''),
      reasoning: this.#reasoning.join(''),
      toolCalls,
      finish: this.#reason(toolCalls.length > 0),
      ...this.#priced(model),
      model,
    };
  }

  #take(delta: Delta): void {
    const reasoning = delta.reasoning_content ?? delta.reasoning;
    if (typeof reasoning === 'string' && reasoning !== '') {
      this.#reasoning.push(reasoning);
      this.#output.onDelta?.('reasoning', reasoning);
    }
    if (delta.refusal) this.#refused = true;
    for (const text of [delta.content, delta.refusal]) {
      if (typeof text !== 'string' || text === '') continue;
      this.#text.push(text);
      this.#output.onDelta?.('text', text);
    }
    if (delta.tool_calls) for (const call of delta.tool_calls) this.#takeCall(call);
  }

  /** By index; by id where an endpoint gives every call index 0, or none. */
  #takeCall({ index, id, function: fn }: CallDelta): void {
    let call = index === undefined ? this.#calls.at(-1) : this.#byIndex.get(index);
    if (call === undefined || (id && call.id !== id)) {
      call = id ? this.#calls.find((c) => c.id === id) : undefined;
      if (call === undefined) {
        // Results are matched to calls by id, so one that is missing must be made up.
        call = { id: id || `call_${randomUUID().replaceAll('-', '')}`, name: '', args: [] };
        this.#calls.push(call);
      }
      if (index !== undefined) this.#byIndex.set(index, call);
    }
    if (fn?.name && call.name === '') {
      call.name = fn.name;
      this.#output.onCallDelta?.(fn.name);
    }
    if (!fn?.arguments) return;
    call.args.push(fn.arguments);
    this.#output.onCallDelta?.(fn.arguments);
  }

  #reason(hasCalls: boolean): ModelResponse['finish'] {
    if (this.#finish === 'content_filter') return 'filtered';
    // Calls may be cut off then, in the middle of their arguments.
    if (this.#finish === 'length') return 'length';
    if (hasCalls) return 'tools';
    return this.#refused ? 'filtered' : 'stop';
  }

  #priced(model: string): { usage?: Usage } {
    const usage = this.#usage;
    const tokens =
      usage &&
      tokenCounts({
        input: usage.prompt_tokens,
        output: usage.completion_tokens,
        cached: usage.prompt_tokens_details?.cached_tokens ?? usage.prompt_cache_hit_tokens,
        reasoning: usage.completion_tokens_details?.reasoning_tokens,
      });
    if (!tokens) return {};
    const costMicros = this.#price(this.#asked, tokens) || this.#price(model, tokens);
    return { usage: { ...tokens, costMicros } };
  }
}
