/**
 * What a tool is: its declaration, its context, what it may return. The registry and
 * the executor are in `src/tools`.
 */
import type { z } from 'zod';
import type { PlannedTask, PlannedWait } from './delegation.js';
import type { ContentPart, Usage } from './message.js';
import type { RuntimeSessionContext } from './runtime-context.js';
import type { JsonSchema, ToolEffect, ToolRun } from './tool-kinds.js';

export type { JsonSchema, ToolEffect, ToolRun } from './tool-kinds.js';

/** Attempts of a tool whose infrastructure failed. What the tool itself reports is not retried. */
export interface ToolRetry {
  /** Attempts in all, at least 1. Default 3; always 1 for `once`. */
  readonly maximumAttempts?: number;
  /** Wait before the second attempt, in ms; doubles. Default 500. */
  readonly initialIntervalMs?: number;
}

/** A minimal logger, of pino's shape. */
export interface ToolLogger {
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  error(fields: object, message?: string): void;
}

/** A task that a tool gives to an agent. */
export interface RunAgentOptions {
  /** Name of a sub-agent's tool of the agent that called the tool, or of any agent. */
  readonly agent: string;
  /** The task: text, or what the agent gets as JSON. */
  readonly task: unknown;
  /**
   * Names the task among those of this call, so that a retry of the tool takes up the same one.
   * Default: its number, by the order in which the tool gives tasks.
   */
  readonly key?: string;
}

/** The answer of an agent to a tool. */
export interface AgentAnswer {
  readonly text: string;
  /** The text as JSON, where the agent answers in a shape that was declared. */
  readonly value?: unknown;
  /** The session that did the work. */
  readonly session: string;
  readonly usage: Usage;
}

/** What a running tool knows. */
export interface ToolContext {
  readonly tenant: string;
  readonly session: string;
  readonly agent: string;
  /** Turn, from 1. */
  readonly turn: number;
  /** Step within the turn, from 1. */
  readonly step: number;
  /** Attempt of this call, from 1. */
  readonly attempt: number;
  readonly callId: string;
  /** The same for every attempt of this call, different for every other call. 32 hex characters. */
  readonly idempotencyKey: string;
  /** Aborted when the turn is interrupted, the deadline passes, or the worker shuts down. */
  readonly signal: AbortSignal;
  /** For whom and with what the session runs: organisation, user, agent, policy, metadata. */
  readonly runtime: RuntimeSessionContext;
  readonly log: ToolLogger;
  /** Shows progress to live readers; lost when there are none. */
  progress(message: string, fraction?: number): void;
  /**
   * Gives a task to an agent and waits for its answer. Every attempt at this call takes up the same
   * session; it ends when the tool is stopped. Rejects with the failure of the agent's turn, with
   * `Delegation.…` where the policy refuses it, and with `Agent.Unknown`. The tool's own `timeoutMs`
   * counts: raise it for work that takes long.
   */
  runAgent(options: RunAgentOptions): Promise<AgentAnswer>;
}

/**
 * What a tool may return: text; content parts (images as base64, kept as artifacts); or any
 * JSON value, which the model sees as JSON text.
 */
export type ToolOutput = unknown;

/** A content part before its bytes have become an artifact. */
export type RawContentPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly mediaType: string; readonly data: string }
  | Extract<ContentPart, { type: 'resource' }>;

/** Content parts, which a tool returns when text is not enough. */
export class ToolContent {
  readonly parts: readonly RawContentPart[];
  /** The tool says itself that it failed (MCP's `isError`). */
  readonly isError: boolean;
  constructor(parts: readonly RawContentPart[], isError = false) {
    this.parts = parts;
    this.isError = isError;
  }
}

/** A tool, as registries hold it. Made by {@link tool}. */
export interface Tool {
  /** 1–64 of `A-Z a-z 0-9 _ -`: what OpenAI accepts as a function name. */
  readonly name: string;
  readonly description: string;
  /** JSON Schema (draft 2020-12) of the arguments, an object at the top. */
  readonly parameters: JsonSchema;
  readonly effect: ToolEffect;
  readonly run: ToolRun;
  /** Longest time of one attempt, ms. */
  readonly timeoutMs: number;
  readonly retry: Required<ToolRetry>;
  /** Wants a person's approval where the policy asks for one. */
  readonly highRisk: boolean;
  /** JSON Schema of the output, for those who plan with it; the output is not checked. */
  readonly yields?: JsonSchema;
  /** What a call takes, about: US dollars, ms. */
  readonly cost?: ToolCost;
  /** Parses with zod where the tool was declared with it (defaults, transforms). */
  readonly parse?: (args: unknown) => unknown;
  /** Where the tool came from: the code of the application, an MCP server, or a handoff that the agent declares. */
  readonly source:
    | { readonly kind: 'code' }
    | { readonly kind: 'mcp'; readonly server: string }
    /** Hands the conversation over. The workflow of the session does that, when the other calls are settled. */
    | { readonly kind: 'handoff'; readonly agent: string };
  /**
   * Of `run: 'agent'`: the task, or the wait, that a call with these arguments means. `sessionOf`
   * names the session of an agent for this call.
   */
  readonly delegate?: (
    args: unknown,
    sessionOf: (agent: string) => string,
  ) => { readonly task: PlannedTask } | { readonly wait: PlannedWait; readonly ms: number };
  /** Of `run: 'person'`: the schema of the answer to a call with these arguments. Default `yields`. */
  readonly answers?: (args: unknown) => JsonSchema | undefined;
  /** Returns the output, or throws; the model sees either. */
  execute(args: never, context: ToolContext): Promise<ToolOutput> | ToolOutput;
}

/** A declaration with zod: `args` has the type of the schema. */
export interface ZodToolDeclaration<S extends z.ZodObject> extends ToolOptions {
  parameters: S;
  execute(args: z.output<S>, context: ToolContext): Promise<ToolOutput> | ToolOutput;
}

/** A declaration with JSON Schema: `args` is what the schema let through. */
export interface JsonToolDeclaration extends ToolOptions {
  parameters?: JsonSchema;
  execute(args: Record<string, unknown>, context: ToolContext): Promise<ToolOutput> | ToolOutput;
}

/**
 * A tool that nothing runs: a call of it waits until it is answered (`session.answer`, `session.serve`, or
 * by a person in the inbox, whose answer must fit `yields`).
 */
export interface WaitingToolDeclaration extends ToolOptions {
  run: 'workflow' | 'client' | 'person';
  /** JSON Schema, or a zod object. */
  parameters?: JsonSchema | z.ZodObject;
}

export interface ToolOptions {
  name: string;
  description: string;
  /** Default `once`: the only one that is safe for a tool whose author did not think of it. */
  effect?: ToolEffect;
  /** Default `activity`. */
  run?: ToolRun;
  /** Default 60,000 for `activity`, 5,000 for `local`, and for `workflow` and `client` 0: no deadline. */
  timeoutMs?: number;
  retry?: ToolRetry;
  highRisk?: boolean;
  /** What comes out, for those who plan with it: JSON Schema, or zod. */
  yields?: JsonSchema | z.ZodType;
  /** What a call takes, about; for those who plan with it. */
  cost?: ToolCost;
}

/** What a call of a tool takes, about. */
export interface ToolCost {
  /** US dollars. */
  readonly usd?: number;
  readonly ms?: number;
}
