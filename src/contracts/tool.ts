/**
 * What a tool is: its declaration, its context, what it may return. The registry and
 * the executor are in `src/tools`.
 */
import type { z } from 'zod';
import type { ContentPart } from './message.js';
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
  readonly log: ToolLogger;
  /** Shows progress to live readers; lost when there are none. */
  progress(message: string, fraction?: number): void;
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
  /** Parses with zod where the tool was declared with it (defaults, transforms). */
  readonly parse?: (args: unknown) => unknown;
  /** Where the tool came from: the code of the application, or an MCP server. */
  readonly source: { readonly kind: 'code' } | { readonly kind: 'mcp'; readonly server: string };
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

/** A tool that nothing runs: a call of it waits until it is answered (`session.answer`, `session.serve`). */
export interface WaitingToolDeclaration extends ToolOptions {
  run: 'workflow' | 'client';
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
}
