/**
 * What an agent may do, whatever its model, a tool's result, or another agent says. Data and pure
 * rules: the sandbox imports it. The checks of a declaration are in `policy-schema.ts`.
 */

/** The bounds of an agent. Part of its declaration (`policy`); what is left out has a default. */
export interface RuntimePolicy {
  /**
   * Iterations of one turn. An iteration is one round of thinking and acting: for a planner, the
   * steps of a plan that run together; for every other agent, a step (a model call and its
   * tools). Default 10. Of `limits.maxSteps` and this the lower one counts, but an agent without
   * a planner has only `maxSteps` unless its policy states `maxIterations`: see {@link turnBounds}.
   */
  readonly maxIterations: number;
  /** How often a planner may replace the rest of its plan in one turn. 0: never. Default 3. */
  readonly maxReplanAttempts: number;
  /** Whether the tools of a step, and the independent steps of a plan, run at the same time. Default true. */
  readonly parallelExecution: boolean;
  /** Agents to which it may delegate or hand over: all, none, or those of these names. Default true. */
  readonly delegation: boolean | readonly string[];
  /**
   * Tools that need a person's approval, besides those that say so themselves (`highRisk`). A name
   * also means the tool of that name of any MCP server (`file_write`: `files__file_write` too); a
   * `*` at the end stands for any ending. Default `code_run`, `shell_exec`, `file_write`.
   */
  readonly highRiskTools: readonly string[];
  /**
   * High-risk tools that run without being asked for, in the names of `highRiskTools`: the
   * approval that the operator gives in advance. Default none.
   */
  readonly preapprovedTools: readonly string[];
  /** Levels of sub-agents below a session that nobody delegated to. 0: none. Default 4. */
  readonly maxDepth: number;
  /** Sub-agents that one session may have at work at the same time. Default 16. */
  readonly maxChildren: number;
  /** Sessions below the root of its tree that have not ended, as the root states it. Default 1,000. */
  readonly maxDescendants: number;
  /** Whether an agent may delegate to one that is above it in the tree. Default false. */
  readonly allowCycles: boolean;
  /** Handoffs in one turn. Default 4. */
  readonly maxHandoffs: number;
  /** Agents, by name, to which it may send messages; `*` for all. Default `['*']`. */
  readonly mayWriteTo: readonly string[];
  /** Messages from agent to agent in a row, without one of a person between them. Default 8. */
  readonly maxHops: number;
  /** Calls that need a person's approval besides those of `highRiskTools`. The first that fits counts. Default none. */
  readonly approvals: readonly ApprovalRule[];
  /** Role of those who may approve high-risk tools; `''`: anybody but who asked. Default `''`. */
  readonly approverRole: string;
  /** How long a request waits before it is refused, ms; 0: without end. Default 0. */
  readonly approvalExpiresMs: number;
}

/** A rule that asks a person before a call runs. */
export interface ApprovalRule {
  /** For people. Default: the tools. */
  readonly name?: string | undefined;
  /** Names of tools, as in `highRiskTools`. Default: every tool. */
  readonly tools?: readonly string[] | undefined;
  /** Only tools of this MCP server. */
  readonly server?: string | undefined;
  /**
   * A condition in CEL (https://cel.dev), over `args`, `tool`, `server`, `agent`, `user`,
   * `organisation`, `tenant`, `session` and `cost` (US dollars, as the tool declares it). One that
   * cannot be evaluated counts as met. Default: always.
   */
  readonly when?: string | undefined;
  /** Role of those who may decide. Default: the policy's `approverRole`. */
  readonly role?: string | undefined;
  /** As the policy's `approvalExpiresMs`, which is the default. */
  readonly expiresMs?: number | undefined;
}

/** A policy as it is declared, and as an agent carries it: what is absent has its default. */
export type PolicyDeclaration = {
  readonly [K in keyof RuntimePolicy]?: RuntimePolicy[K] | undefined;
};

export const DEFAULT_POLICY: RuntimePolicy = {
  maxIterations: 10,
  maxReplanAttempts: 3,
  parallelExecution: true,
  delegation: true,
  highRiskTools: ['code_run', 'shell_exec', 'file_write'],
  preapprovedTools: [],
  maxDepth: 4,
  maxChildren: 16,
  maxDescendants: 1_000,
  allowCycles: false,
  maxHandoffs: 4,
  mayWriteTo: ['*'],
  maxHops: 8,
  approvals: [],
  approverRole: '',
  approvalExpiresMs: 0,
};

/** Whoever has a policy: an agent, complete or not. */
export interface WithPolicy {
  readonly planner?: true;
  readonly policy?: PolicyDeclaration;
}

/** The policy of an agent, complete. */
export function policyOf({ policy }: WithPolicy): RuntimePolicy {
  return { ...DEFAULT_POLICY, ...stated(policy) };
}

/**
 * Two declarations as one: what `own` states counts. `undefined` when neither states anything, so
 * that the definition of an agent without a policy stays as it was.
 */
export function mergePolicies(
  defaults: PolicyDeclaration | undefined,
  own: PolicyDeclaration | undefined,
): PolicyDeclaration | undefined {
  const merged: PolicyDeclaration = { ...stated(defaults), ...stated(own) };
  return Object.keys(merged).length === 0 ? undefined : merged;
}

/** What of a policy bounds the turns of an agent; for the workflow. */
export function turnBounds<L extends { readonly maxSteps: number }>(
  agent: WithPolicy & { readonly limits: L },
): { readonly limits: L; readonly sequential?: true } {
  const { maxIterations, parallelExecution } = agent.policy ?? {};
  // A planner counts its rounds itself.
  const most = agent.planner ? undefined : maxIterations;
  const maxSteps = Math.min(agent.limits.maxSteps, most ?? Infinity);
  return {
    limits: { ...agent.limits, maxSteps },
    ...(parallelExecution === false ? { sequential: true } : {}),
  };
}

/** A tool, as far as its risk is looked at. */
export interface RiskyTool {
  readonly name: string;
  /** It says itself that it wants a person's approval. */
  readonly highRisk: boolean;
  readonly source: { readonly kind: string; readonly server?: string };
}

/** Whether a rule may mean calls of this tool; its condition is for each call. */
export function ruleMeans({ tools, server }: ApprovalRule, tool: RiskyTool): boolean {
  if (server !== undefined && tool.source.server !== server) return false;
  return tools === undefined || tools.some((name) => means(name, tool));
}

/** Whether a person must approve each call of this tool. */
export function needsApproval(policy: RuntimePolicy, tool: RiskyTool): boolean {
  const risky = tool.highRisk || policy.highRiskTools.some((name) => means(name, tool));
  return risky && !policy.preapprovedTools.some((name) => means(name, tool));
}

/** Whether an agent with this policy may delegate to the agent of that name, or hand over to it. */
export function mayDelegate({ delegation }: RuntimePolicy, agent: string): boolean {
  return typeof delegation === 'boolean'
    ? delegation
    : delegation.some((name) => matches(name, agent));
}

/** Whether `name`, as a policy states it, means this tool. */
function means(name: string, { name: full, source }: RiskyTool): boolean {
  if (matches(name, full)) return true;
  // The tool decides by its server's name how it is called here, and its risk is the same.
  const prefix = source.kind === 'mcp' ? `${source.server}__` : undefined;
  return (
    prefix !== undefined && full.startsWith(prefix) && matches(name, full.slice(prefix.length))
  );
}

/** Whether a name of a policy, with or without a `*` at its end, is that name. */
export function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

function stated(policy: PolicyDeclaration | undefined): Partial<RuntimePolicy> {
  return Object.fromEntries(
    Object.entries(policy ?? {}).filter(([, value]) => value !== undefined),
  );
}
