/** What an agent is. Types only; the checks are in `agent-schema.ts`, which loads zod. */
import type { SubAgent } from './delegation.js';
import type { PolicyDeclaration } from './policy.js';
import type { PoolReference } from './pool.js';
import type { MemoryOptions } from './memory.js';
import type { MessageTool } from './mail.js';
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

/** Which agent, in which version of its definition. Stands in the input of every activity that needs it. */
export interface AgentReference {
  readonly agent: string;
  /**
   * Digest of the definition: 16 hex characters. Absent in histories of earlier versions: what the
   * configuration of the worker has counts then.
   */
  readonly version?: string;
}

/** Whether `value` may be a version of a definition. */
export function isAgentVersion(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{16}$/.test(value);
}

/** `billing (0f3a…)`, for people. */
export function agentText({ agent, version }: AgentReference): string {
  return version === undefined ? agent : `${agent} (${version})`;
}

/**
 * What the agent that takes over sees of the conversation before it: `all` of it; the messages
 * without tool calls and their results (`no-tools`); a `summary` of the earlier turns, written by the
 * agent that hands over, and the turn under way; or the last so many turns, the one under way among
 * them.
 */
export type HandoffFilter = 'all' | 'no-tools' | 'summary' | { readonly turns: number };

/** An agent that a conversation can be handed to. The model gets a tool `transfer_to_<agent>`. */
export interface Handoff {
  readonly agent: string;
  /** When to hand over, for the model. Default: the description of that agent. */
  readonly description?: string;
  /** Default `all`. */
  readonly filter?: HandoffFilter;
  /** The model must say why. By default it may. */
  readonly reason?: true;
}

/** Longest name of an agent that can be handed to: names of tools have 64 characters. */
export const MOST_HANDOFF_NAME = 52;

/** Name of the tool that hands over to an agent. */
export function handoffTool(agent: string): string {
  return `transfer_to_${agent}`;
}

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
  /** Has the tools `send_message`, `broadcast` and `list_agents`, or those of them. Absent: none. */
  readonly messages?: boolean | readonly MessageTool[];
  /** Agents that the conversation can be handed to. Absent for none. */
  readonly handoffs?: readonly Handoff[];
  /** Agents to which it may delegate; its model has a tool for each. Absent: none. */
  readonly agents?: readonly SubAgent[];
  /** Which messages a turn takes: all that are unread, or one. Default `all`. */
  readonly unread: 'all' | 'one';
  /** What becomes of a message that comes during a turn. Absent: `enqueue`. */
  readonly whileWorking?: WhileWorking;
  readonly limits: AgentLimits;
  /** What its declaration and the configuration state; `policyOf` has all of it. Absent: the defaults. */
  readonly policy?: PolicyDeclaration;
  /** Takes a slot of this pool for each turn, and waits in line where there is none. Absent: none. */
  readonly pool?: PoolReference;
  /** Memory over sessions; absent for none. */
  readonly memory?: MemoryOptions;
  /** Skills that the model is offered: `name`, or `name@version`; absent for none. */
  readonly skills?: readonly string[];
  /** Parts of the context that the model is shown, such as `user.name`; absent for none. */
  readonly showContext?: readonly string[];
  /** It makes a plan and lets its steps be carried out, in place of calling tools one by one. */
  readonly planner?: true;
  readonly metadata?: Readonly<Record<string, string>>;
}
