/** What the activities are given. Nothing in `activities` reaches for anything else. */
import type { Agent, AgentReference } from '../src/contracts/agent.js';
import type { UnavailableServer } from '../src/contracts/events.js';
import type { LLMClient, Provider } from '../src/contracts/llm.js';
import type { SkillReference } from '../src/contracts/runtime-context.js';
import type { Tool, ToolLogger } from '../src/contracts/tool.js';
import type { SessionKey } from '../src/contracts/ids.js';
import type { SessionInput } from '../src/contracts/session.js';
import type { LiveBus } from '../src/live/bus.js';
import type { AgentVersion } from '../src/store/agent-definitions.js';
import type { Stores } from '../src/store/stores.js';

/**
 * Agents by name and version. A name alone means the newest definition: of the configuration where
 * the worker runs, or of the agent that was made at run time. All reject with `Agent.Unknown`, naming
 * those that exist.
 */
export interface AgentDirectory {
  newest(name: string, tenant: string): Promise<AgentVersion>;
  /** Makes sure that the store has a version, so that a session can go on with it. */
  keep(tenant: string, version: AgentVersion): Promise<void>;
  /** A definition, the same object each time; the newest where the reference has no version. */
  get(reference: AgentReference, tenant: string): Promise<Agent>;
  /**
   * As `get`, for a model call. Rejects with `Agent.Incomplete` where the definition refers to a tool, a
   * provider or an MCP server that this worker does not have.
   */
  callable(reference: AgentReference, tenant: string): Promise<Agent>;
  /** What an agent of the configuration says it is for. */
  readonly description: (name: string) => string | undefined;
}

/** The tools that an agent may call, now. */
export interface ToolSource {
  /** Of names that are taken twice the first stays; see the implementation for the order. */
  toolsOf(agent: Agent, tenant: string): Promise<ReadonlyMap<string, Tool>>;
  /** MCP servers of the agent whose tools were not there when they were last asked for. */
  unavailable(agent: Agent): readonly UnavailableServer[];
  /** Skills that the agent may load. */
  skillsOf(agent: Agent): readonly SkillReference[];
  /**
   * A tool that the agent may call and that is not offered now: held back because it changed,
   * or of a server that cannot be reached. Running it says which.
   */
  withheld(agent: Agent, name: string, tenant: string): Promise<Tool | undefined>;
}

export interface ActivitySettings {
  /** Longest model call, ms. */
  readonly modelTimeoutMs: number;
  /** A worker that is silent for so long is taken for dead, ms. */
  readonly heartbeatTimeoutMs: number;
  /** Attempts of one step that the provider may fail. */
  readonly maxModelAttempts: number;
  /** See `SessionSettings.historyLimit`. */
  readonly historyLimit: number;
  /** After so long without a sign of its holder a slot of a pool comes back, ms. */
  readonly poolLeaseMs: number;
  /** Whether the server has the search attributes. */
  readonly searchAttributes: boolean;
}

/** A session, and the id of its workflow where that is not the one that Perdura makes. */
export interface SignalledSession extends SessionKey {
  readonly workflowId?: string;
}

/**
 * Signals to other workflows. Each resolves when Temporal has taken the signal, whether a worker runs
 * or not, and rejects with `Temporal.Unavailable` where Temporal does not answer.
 */
export interface SessionSignals {
  /** Signals a session that runs. `false`: its workflow has closed, or there is none. */
  signal(key: SignalledSession, name: string, ...args: unknown[]): Promise<boolean>;
  /**
   * As {@link SessionSignals.signal}, and starts the session where there is none. `false`: it has
   * ended.
   */
  signalOrStart(
    key: SignalledSession,
    input: SessionInput,
    name: string,
    ...args: unknown[]
  ): Promise<boolean>;
  isRunning(key: SignalledSession): Promise<boolean>;
  /** Signals a workflow of Perdura that is no session, and starts it where it does not run. */
  wake(type: string, workflowId: string, name: string, input: unknown): Promise<void>;
}

/** Starts the sessions that tools give tasks to. */
export interface SubAgentClient {
  /**
   * Starts the session, or takes the one of this name, and resolves when its workflow has closed.
   * Rejects with the type of what its workflow failed with, with `Session.Closed` where that was
   * ended from outside, with `Temporal.Unavailable`, and with the reason of `signal` when aborted;
   * the session then goes on.
   */
  run(key: SessionKey, input: SessionInput, signal: AbortSignal): Promise<void>;
}

export interface ActivityDeps extends Stores {
  readonly subAgents: SubAgentClient;
  readonly bus: LiveBus;
  readonly agents: AgentDirectory;
  readonly tools: ToolSource;
  readonly signals: SessionSignals;
  /** Throws `Config.Invalid` for a provider that is not configured. */
  readonly provider: (name: string) => { client: LLMClient; provider: Provider };
  /** An agent works in this pool: from now on this process looks after it. */
  readonly poolSeen: (pool: string) => void;
  readonly settings: ActivitySettings;
  readonly log: ToolLogger;
}
