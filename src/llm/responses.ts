/** Puts together the streamed answer of OpenAI's Responses. */
import type OpenAI from 'openai';
import type { ModelResponse } from '../contracts/llm.js';
import type { ToolCall, Usage } from '../contracts/message.js';
import { ReasoningCollector } from './reasoning-items.js';
import { errorEvent } from './stream-call.js';
import type { Assembler, Output, Price } from './stream-call.js';
import { tokenCounts } from './token-counts.js';

type StreamEvent = OpenAI.Responses.ResponseStreamEvent;

interface OpenCall {
  id: string;
  name: string;
  args: string[];
}

export class ResponsesAssembler implements Assembler {
  readonly #text: string[] = [];
  readonly #reasoning: string[] = [];
  /** By output index, which is the order of the calls. */
  readonly #calls = new Map<number, OpenCall>();
  readonly #output: Output;
  readonly #price: Price;
  readonly #asked: string;
  readonly #reasoningItems: ReasoningCollector;
  #refused = false;
  #final: OpenAI.Responses.Response | undefined;

  /** @param origin see `ReasoningItems.origin` */
  constructor(model: string, output: Output, price: Price, origin = model) {
    this.#asked = model;
    this.#reasoningItems = new ReasoningCollector(origin);
    this.#output = output;
    this.#price = price;
  }

  get done(): boolean {
    return this.#final !== undefined;
  }

  push(data: string): void {
    if (data.startsWith('[DONE]')) return;
    const event = JSON.parse(data) as StreamEvent;
    switch (event.type) {
      case 'response.output_text.delta':
        return this.#say('text', event.delta);
      case 'response.refusal.delta':
        this.#refused = true;
        return this.#say('text', event.delta);
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta':
        return this.#say('reasoning', event.delta);
      case 'response.reasoning_summary_part.added':
        return this.#reasoning.length > 0 ? this.#say('reasoning', '\n\n') : undefined;
      case 'response.output_item.added':
        return this.#begin(event.output_index, event.item);
      case 'response.function_call_arguments.delta':
        this.#calls.get(event.output_index)?.args.push(event.delta);
        return this.#output.onCallDelta?.(event.delta);
      case 'response.output_item.done':
        return this.#end(event.output_index, event.item);
      case 'response.completed':
      case 'response.incomplete':
        this.#final = event.response;
        return;
      case 'response.failed':
        throw errorEvent(event.response.error ?? 'the response failed');
      case 'error':
        throw errorEvent(event);
      default:
        // A router may send a chat completion's error; every other event repeats what is known.
        if ('error' in event && event.error) throw errorEvent(event.error);
    }
  }

  finish(): ModelResponse | undefined {
    const final = this.#final;
    if (final === undefined) return undefined;
    const toolCalls: ToolCall[] = [...this.#calls.entries()]
      .sort(([a], [b]) => a - b)
      .map(([, { id, name, args }]) => ({ id, name, arguments: args.join('') }));
    const model = final.model || this.#asked;
    return {
      text: this.#text.join(''),
      reasoning: this.#reasoning.join(''),
      toolCalls,
      ...this.#reasoningItems.collected(),
      finish: this.#reason(final, toolCalls.length > 0),
      ...this.#priced(final.usage, model),
      model,
    };
  }

  #say(channel: 'text' | 'reasoning', text: string): void {
    if (text === '') return;
    (channel === 'text' ? this.#text : this.#reasoning).push(text);
    this.#output.onDelta?.(channel, text);
  }

  #begin(index: number, item: OpenAI.Responses.ResponseOutputItem): void {
    if (item.type === 'message' && this.#text.length > 0) this.#say('text', '\n\n');
    if (item.type !== 'function_call') return;
    const args = item.arguments === '' ? [] : [item.arguments];
    this.#output.onCallDelta?.(item.name);
    this.#calls.set(index, { id: item.call_id, name: item.name, args });
  }

  /** The finished item is what counts, also where no deltas came. */
  #end(index: number, item: OpenAI.Responses.ResponseOutputItem): void {
    this.#reasoningItems.add(index, item);
    if (item.type !== 'function_call') return;
    this.#calls.set(index, { id: item.call_id, name: item.name, args: [item.arguments] });
  }

  #reason(final: OpenAI.Responses.Response, hasCalls: boolean): ModelResponse['finish'] {
    const why = final.incomplete_details?.reason;
    if (why === 'content_filter') return 'filtered';
    // Calls may be cut off then, in the middle of their arguments.
    if (why === 'max_output_tokens' || final.status === 'incomplete') return 'length';
    if (hasCalls) return 'tools';
    return this.#refused || final.status === 'failed' ? 'filtered' : 'stop';
  }

  #priced(usage: OpenAI.Responses.Response['usage'], model: string): { usage?: Usage } {
    if (!usage) return {};
    // Compatible endpoints leave the details out.
    const read = usage as Partial<OpenAI.Responses.ResponseUsage>;
    const tokens = tokenCounts({
      input: read.input_tokens,
      output: read.output_tokens,
      cached: read.input_tokens_details?.cached_tokens,
      reasoning: read.output_tokens_details?.reasoning_tokens,
    });
    if (!tokens) return {};
    const costMicros = this.#price(this.#asked, tokens) || this.#price(model, tokens);
    return { usage: { ...tokens, costMicros } };
  }
}
