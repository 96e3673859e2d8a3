/**
 * What a user writes in `perdura.config.ts`: the types and `defineConfig`, which only types.
 * No checks in here (config-schema.ts), and nothing that reads files or the environment.
 */
import type { AgentLimits, Handoff } from '../contracts/agent.js';
import type { MessageTool } from '../contracts/mail.js';
import type { PolicyDeclaration } from '../contracts/policy.js';
import type { McpServer } from '../contracts/mcp.js';
import type { PoolLimits, PoolReference } from '../contracts/pool.js';
import type { MemoryDeclaration } from '../contracts/memory.js';
import type { JsonSchema, Tool } from '../contracts/tool.js';
import type { WhileWorking } from '../contracts/while-working.js';
import type { SubAgentDeclaration } from './sub-agent-schema.js';

/** An agent as it is declared; what is left out has the defaults of `Agent`. */
export interface AgentDeclaration {
  /** 1–64 of `A-Z a-z 0-9 _ -`. */
  readonly name: string;
  /** For people, and for agents that may hand off to this one. */
  readonly description?: string | undefined;
  /** The system prompt. */
  readonly instructions: string;
  /** Name of one of `providers`. Default `default`: the one of OPENAI_API_KEY and OPENAI_BASE_URL. */
  readonly provider?: string | undefined;
  /** Default OPENAI_MODEL, or else `gpt-5-mini`. */
  readonly model?: string | undefined;
  /** 0 to 2; default 0.7. `null`, the default for models that refuse it, leaves it to the provider. */
  readonly temperature?: number | null | undefined;
  /** Longest answer of one model call, tokens. Default 4096. */
  readonly maxTokens?: number | undefined;
  /** Tokens that the model takes in and gives out together; known for common models. */
  readonly contextWindow?: number | undefined;
  /** The answer must be JSON of this schema, an object at the top. */
  readonly responseFormat?: { readonly name: string; readonly schema: JsonSchema } | undefined;
  /** Names of `tools`, or `*` for all. Default `['*']`. */
  readonly tools?: readonly string[] | undefined;
  /** Names of `mcp` servers, or `*` for all. Default none. */
  readonly mcp?: readonly string[] | undefined;
  /**
   * Lets the agent write to others: `true` for the tools `send_message`, `broadcast` and
   * `list_agents`, or the names of some. To whom is `policy.mayWriteTo`. Default false.
   */
  readonly messages?: boolean | readonly MessageTool[] | undefined;
  /** Agents that the conversation can be handed to, by name or with more. Default none. */
  readonly handoffs?: readonly (string | HandoffDeclaration)[] | undefined;
  /** Agents to which it may delegate: their names, or more about each. Default none. */
  readonly agents?: readonly (string | SubAgentDeclaration)[] | undefined;
  /** Which messages a turn takes: all that are unread, or one. Default `all`. */
  readonly unread?: 'all' | 'one' | undefined;
  /**
   * What becomes of a message that comes during a turn: `enqueue` (default), `steer`, `interrupt`,
   * `rollback` or `reject`. A message can override it.
   */
  readonly whileWorking?: WhileWorking | undefined;
  readonly limits?: { readonly [K in keyof AgentLimits]?: AgentLimits[K] | undefined } | undefined;
  /** What the agent may do; see `RuntimePolicy` for the defaults. */
  readonly policy?: PolicyDeclaration | undefined;
  /**
   * Name of one of `pools`, or of one made at run time: the agent waits for a slot of it before each
   * turn. With a priority: `{ name, priority }`. Default none.
   */
  readonly pool?: string | PoolDeclaration | undefined;
  /**
   * Memory over sessions: the tools `remember`, `recall` and `forget`. `true`: about the user of the
   * session, nothing shown before the model asks. Default none.
   */
  readonly memory?: MemoryDeclaration | undefined;
  /** Skills that the model is offered: `name`, or `name@version`; `*` for all. Default none. */
  readonly skills?: readonly string[] | undefined;
  /** Parts of the session's context that the model is shown, such as `user.name`. Default none. */
  readonly showContext?: readonly string[] | undefined;
  /**
   * The agent makes plans: its model hands in steps with dependencies, which are carried out, and is
   * asked again for the answer, or when a step has failed. Default false.
   */
  readonly planner?: boolean | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** As {@link PoolReference}. */
export type PoolDeclaration = {
  readonly [K in keyof PoolReference]: PoolReference[K] | undefined;
} & {
  readonly name: string;
};

/** As {@link PoolLimits}. */
export type PoolLimitsDeclaration = {
  readonly [K in keyof PoolLimits]: PoolLimits[K] | undefined;
} & { readonly maxAtWork: number };

/** As {@link Handoff}. */
export type HandoffDeclaration = { readonly [K in keyof Handoff]: Handoff[K] | undefined } & {
  readonly agent: string;
};

/** How to reach a provider of models; see `Provider` for the defaults. */
export interface EmbeddingsDeclaration {
  readonly model: string;
  /** Asked of the endpoint, for models that can be shortened. Default: what the model gives. */
  readonly dimensions?: number | undefined;
  /** Longest wait of a `recall` for the vector of its question, ms. Default 1,500. */
  readonly timeoutMs?: number | undefined;
  /** Facts that are less similar to the question are not found by it, 0 to 1. Default 0.25. */
  readonly minSimilarity?: number | undefined;
}

export interface ProviderDeclaration {
  /** `chat` (default), which every compatible endpoint has, or OpenAI's `responses`. */
  readonly api?: 'chat' | 'responses' | undefined;
  /** Default OPENAI_BASE_URL for `default`, otherwise OpenAI's. */
  readonly baseUrl?: string | undefined;
  /** Better in the environment: see `apiKeyEnv`. */
  readonly apiKey?: string | undefined;
  /** Name of the environment variable that holds the key, read by the worker. */
  readonly apiKeyEnv?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Silence of the provider after which the call fails, ms. Default 120,000. */
  readonly stallTimeoutMs?: number | undefined;
  /**
   * Its model for embeddings, by which memories are found where PostgreSQL has pgvector. A text stands
   * for `{ model }`. At most one provider has it.
   */
  readonly embeddings?: string | EmbeddingsDeclaration | undefined;
  /** Calls cost nothing, whatever the models are called: for models on machines of your own. */
  readonly free?: boolean | undefined;
  /** USD per million tokens, by model, over the built-in table. */
  readonly prices?:
    | Readonly<
        Record<
          string,
          { readonly input: number; readonly output: number; readonly cached?: number | undefined }
        >
      >
    | undefined;
}

/** All of `perdura.config.ts`. */
export interface PerduraConfig {
  /** Besides those of `agentFiles`. An agent `assistant` is there in any case. */
  readonly agents?: readonly AgentDeclaration[] | undefined;
  /**
   * YAML files with agents, or folders of them, relative to this file. Default the folder
   * `agents` beside it, where there is one.
   */
  readonly agentFiles?: string | readonly string[] | undefined;
  /**
   * Folders of skills, or of one skill, relative to this file; `npm:<package>` for those of a
   * package. Default the folder `skills` beside it, where there is one.
   */
  readonly skills?: string | readonly string[] | undefined;
  /**
   * Folder of the files that agents work on with `list_files`, `read_file`, `search_files`,
   * `analyze_data` and `write_file`, relative to this file. Default `workspace`.
   */
  readonly workspace?: string | undefined;
  /** Made by `tool(…)`. */
  readonly tools?: readonly Tool[] | undefined;
  /** MCP servers by name. A relative `cwd` is relative to this file. */
  readonly mcp?: Readonly<Record<string, McpServer>> | undefined;
  /** By name; `default` goes over OPENAI_API_KEY and OPENAI_BASE_URL. */
  readonly providers?: Readonly<Record<string, ProviderDeclaration>> | undefined;
  /**
   * Pools of agents by name: how many are at work at once, of all tenants together and of one. They
   * can be changed while agents run, which counts until they are changed here.
   */
  readonly pools?: Readonly<Record<string, PoolLimitsDeclaration>> | undefined;
  /**
   * Who may decide what in the inbox: the names of people, by role. `perdura inbox` looks here; an
   * application that knows its users states their roles itself.
   */
  readonly roles?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Of all agents; what an agent's own `policy` states counts for that agent. */
  readonly policy?: PolicyDeclaration | undefined;
}

/** Gives a configuration its type: `export default defineConfig({ … })`. */
export function defineConfig(config: PerduraConfig): PerduraConfig {
  return config;
}

/** Gives an agent its type, for one that is declared in a file of its own. */
export function defineAgent(agent: AgentDeclaration): AgentDeclaration {
  return agent;
}
