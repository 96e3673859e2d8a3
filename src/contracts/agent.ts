/** What an agent is. Types only; the checks are in `agent-schema.ts`, which loads zod. */
import type { JsonSchema } from './tool-kinds.js';
import type { WhileWorking } from './while-working.js';

/** Bounds of one turn and one session. All optional in a declaration; see the defaults. */
export interface AgentLimits {
  /** Model calls in one turn. Default 32. */
  readonly maxSteps: number;
  /**
   * Model calls that one activity makes in a row while the tools between them are local; they
   * share a line in Temporal's history. 1: each has its own. Default 8.
   */
  readonly stepsPerActivity: number;
  /** Longest turn, ms; checked between steps and before each attempt at a model call. Default one hour. */
  readonly maxTurnMs: number;
  /** Most money for one turn, USD; checked as `maxTurnMs` is. Failed attempts count. Default none. */
  readonly maxTurnCostUsd?: number;
  /** Steps in a row in which every tool call was malformed, unknown or against its schema. Default 3. */
  readonly maxRepairs: number;
  /** Longest message that is accepted, UTF-8 bytes. Default 256 KiB, at most 1 MiB (Temporal: 2 MiB a payload). */
  readonly maxMessageBytes: number;
  /** Tool output above this becomes an artifact; the model sees head and tail. Bytes, default 16 KiB. */
  readonly maxToolOutputBytes: number;
  /** Largest artifact. Bytes, default 16 MiB. */
  readonly maxArtifactBytes: number;
}

export const DEFAULT_LIMITS: AgentLimits = {
  maxSteps: 32,
  stepsPerActivity: 8,
  maxTurnMs: 3_600_000,
  maxRepairs: 3,
  maxMessageBytes: 256 * 1024,
  maxToolOutputBytes: 16 * 1024,
  maxArtifactBytes: 16 * 1024 * 1024,
};

/** An agent, complete with its defaults. */
export interface Agent {
  /** 1–64 of `A-Z a-z 0-9 _ -`. */
  readonly name: string;
  readonly description?: string;
  /** The system prompt. */
  readonly instructions: string;
  /** Provider of the configuration's `providers`. Default `default`. */
  readonly provider: string;
  readonly model: string;
  /** Default 0.7; `null` leaves it to the provider (some models refuse the parameter). */
  readonly temperature: number | null;
  /** Longest answer of one call, tokens. Default 4096. */
  readonly maxTokens: number;
  /** Tokens that the model takes in and gives out together; known for common models. */
  readonly contextWindow?: number;
  /** The answer must be JSON of this schema: it is validated, and the model is asked to repair it. */
  readonly responseFormat?: { readonly name: string; readonly schema: JsonSchema };
  /** Names of registered tools, or `*` for all. Default `['*']`. */
  readonly tools: readonly string[];
  /** Names of MCP servers of the configuration, or `*`. Default none. */
  readonly mcp: readonly string[];
  /** Which messages a turn takes: all that are unread, or one. Default `all`. */
  readonly unread: 'all' | 'one';
  /** What becomes of a message that comes during a turn. Absent: `enqueue`. */
  readonly whileWorking?: WhileWorking;
  readonly limits: AgentLimits;
  readonly metadata?: Readonly<Record<string, string>>;
}
