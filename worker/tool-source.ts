/**
 * The tools of an agent: those that the runtime gives it, its sub-agents, the application's, and those
 * of its MCP servers.
 */
import type { Agent } from '../src/contracts/agent.js';
import type { UnavailableServer } from '../src/contracts/events.js';
import type { Tool, ToolLogger } from '../src/contracts/tool.js';
import { policyOf } from '../src/contracts/policy.js';
import type { ToolSource } from '../activities/deps.js';
import { handoffTools } from '../src/tools/handoff-tools.js';
import type { Skills } from '../src/tools/skill-tools.js';
import { guarded } from '../src/tools/approval-guard.js';
import { combineTools, type ToolRegistry } from '../src/tools/tool-registry.js';

/** What a tool source asks of the MCP servers. */
export interface McpTools {
  /** The tools of these servers that can be had now; a server that hangs is left out. */
  tools(servers: readonly string[], tenant: string): Promise<readonly Tool[]>;
  /** Which of these servers contribute nothing now, and why. */
  unavailable(servers: readonly string[]): readonly UnavailableServer[];
  /** A tool by its full name, also one that is held back or cannot be reached. */
  resolve(name: string, tenant: string): Promise<Tool | undefined>;
}

/** Combinations that are kept for an agent: tenants differ where they have accepted other tools. */
const MAX_KEPT = 16;

interface Combined {
  readonly version: number;
  readonly remote: readonly Tool[];
  readonly tools: ReadonlyMap<string, Tool>;
}

/**
 * Combines the lists, the application's tools first. The map of an agent stays the same object
 * while its lists do: what is made of it (schemas, token counts) is kept by identity. It is found
 * by all that it is made of, the definition of the agent and the tools that the tenant may have:
 * so neither tenants nor agents of one name can get each other's. What the agent's policy holds back
 * is held back here, where every call gets its tool.
 */
export function createToolSource(parts: {
  registry: ToolRegistry;
  mcp: McpTools | undefined;
  always: readonly Tool[];
  /** Tools of the runtime that an agent asks for by its declaration (`memory: true`, `agents: […]`). */
  given?: readonly ((agent: Agent) => readonly Tool[])[];
  skills?: Pick<Skills, 'of'>;
  log: ToolLogger;
  /** Given to agents that list them by name, and not for `*`. The application's come first. */
  named?: readonly Tool[];
  /** What an agent is for: shown to those that may hand over to it. */
  describe?: (agent: string) => string | undefined;
}): ToolSource {
  const { registry, mcp, always, given = [], skills, log } = parts;
  const { named = [], describe = () => undefined } = parts;
  let version = 0;
  registry.onChange(() => version++);
  const made = new WeakMap<Agent, readonly Combined[]>();
  return {
    async toolsOf(agent: Agent, tenant: string) {
      const remote = agent.mcp.length > 0 && mcp ? await mcp.tools(agent.mcp, tenant) : [];
      const kept = (made.get(agent) ?? []).filter((each) => each.version === version);
      const known = kept.find((each) => same(each.remote, remote));
      if (known) return known.tools;
      const list = combineTools(
        [
          always,
          given.flatMap((of) => of(agent)),
          handoffTools(agent, describe),
          registry.select(agent.tools),
          // A tool of the application may have such a name: then it is the one that is meant.
          named.filter(({ name }) => agent.tools.includes(name) && !registry.get(name)),
          remote,
        ],
        log,
      );
      const policy = policyOf(agent);
      const tools = new Map(list.map((tool) => [tool.name, guarded(tool, policy)]));
      made.set(agent, [{ version, remote, tools }, ...kept].slice(0, MAX_KEPT));
      return tools;
    },
    skillsOf: (agent) => skills?.of(agent) ?? [],
    unavailable: (agent) => mcp?.unavailable(agent.mcp) ?? [],
    async withheld(agent, name, tenant) {
      const [server = ''] = name.split('__');
      const allowed = agent.mcp.includes('*') || agent.mcp.includes(server);
      const tool = allowed ? await mcp?.resolve(name, tenant) : undefined;
      return tool && guarded(tool, policyOf(agent));
    },
  };
}

/** Those of the tools that an agent asks for: all, none, or by name. */
export function askedTools(
  tools: readonly Tool[],
  names: boolean | readonly string[] = false,
): readonly Tool[] {
  if (typeof names === 'boolean') return names ? tools : [];
  return tools.filter(({ name }) => names.includes(name));
}

function same(a: readonly Tool[], b: readonly Tool[]): boolean {
  return a === b || (a.length === b.length && a.every((tool, i) => tool === b[i]));
}
