/** What a model client takes and gives. Implementations are in `src/llm`. */
import type { EmbeddingOptions } from './embeddings.js';
import type { JsonSchema } from './tool.js';
import type {
  FinishReason,
  ReasoningItems,
  ToolCall,
  TranscriptMessage,
  Usage,
} from './message.js';

/** A tool as the model sees it. */
export interface ModelTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonSchema;
}

/** One model call. */
export interface ModelRequest {
  readonly model: string;
  /** System prompt. */
  readonly instructions: string;
  /**
   * The conversation, oldest first. Every assistant tool call is followed by its result.
   * A `summary` stands for what came before it.
   */
  readonly messages: readonly TranscriptMessage[];
  readonly tools: readonly ModelTool[];
  /** `none`: tools are shown but must not be called. */
  readonly toolChoice: 'auto' | 'none';
  readonly temperature: number | null;
  /** Longest answer, tokens. */
  readonly maxTokens: number;
  readonly responseFormat?: { readonly name: string; readonly schema: JsonSchema };
  /** Bytes of the images that the messages refer to by artifact id, as data URLs. */
  readonly images?: ReadonlyMap<string, string>;
  /** Passed to the provider as the end user's id where it takes one; a hash, never a name. */
  readonly user?: string;
}

/** What the call said, in the end. */
export interface ModelResponse {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCall[];
  /** What the provider wants back with this answer. */
  readonly reasoningItems?: ReasoningItems;
  readonly finish: Exclude<FinishReason, 'interrupted'>;
  /** Absent when the provider did not report it. Its `costMicros` is priced already. */
  readonly usage?: Usage;
  /** The model as the provider names it. */
  readonly model: string;
}

export interface ModelCallOptions {
  /** Aborts the HTTP request. The promise then rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** Called for each piece as it comes, in order; must not throw. */
  readonly onDelta?: (channel: 'text' | 'reasoning', text: string) => void;
  /**
   * Called for each piece of a tool call's name and arguments as it comes: it is not shown to
   * anybody, but it is paid. Must not throw.
   */
  readonly onCallDelta?: (text: string) => void;
  /**
   * Nothing from the provider for so long, between any two bytes of the stream or before the
   * first, fails the call with `Model.Stalled`. ms.
   */
  readonly stallTimeoutMs: number;
}

/**
 * A client of one provider. One path for streaming and not: it always streams.
 * Rejects with a `PerduraError` of a `Model.*` type, with `retryAfterMs` where the provider
 * asked to wait; never retries by itself.
 */
export interface LLMClient {
  complete(request: ModelRequest, options: ModelCallOptions): Promise<ModelResponse>;
  /** Micro-dollars (1e-6 USD, whole) of a usage whose cost is not known yet; 0 for an unknown model. */
  price(model: string, usage: Omit<Usage, 'costMicros'>): number;
}

/** How to reach a provider of models. */
export interface Provider {
  /** `chat`: chat completions, which every compatible endpoint has. `responses`: OpenAI's Responses. */
  readonly api: 'chat' | 'responses';
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** See {@link ModelCallOptions.stallTimeoutMs}. Default 120,000. */
  readonly stallTimeoutMs: number;
  /** Answers every call, whatever model the agent names: the scripted offline model. */
  readonly model?: string;
  /** It has an endpoint for embeddings, by which memories are found. At most one provider has. */
  readonly embeddings?: EmbeddingOptions;
  /** Its calls cost nothing, whatever its models are called: one that runs on a machine of yours. */
  readonly free?: boolean;
  /** USD per million tokens, by model, over the built-in table. */
  readonly prices?: Readonly<
    Record<string, { readonly input: number; readonly output: number; readonly cached?: number }>
  >;
}
