/** The tools of an agent: its sub-agents, the application's, those of its MCP servers, and `read_artifact`. */
import type { Agent } from '../src/contracts/agent.js';
import type { UnavailableServer } from '../src/contracts/events.js';
import type { Tool, ToolLogger } from '../src/contracts/tool.js';
import type { ToolSource } from '../activities/deps.js';
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
 * so neither tenants nor agents of one name can get each other's.
 */
export function createToolSource(parts: {
  registry: ToolRegistry;
  mcp: McpTools | undefined;
  always: readonly Tool[];
  /** The tools by which an agent delegates. Default none. */
  delegating?: (agent: Agent) => readonly Tool[];
  log: ToolLogger;
}): ToolSource {
  const { registry, mcp, always, delegating = () => NONE, log } = parts;
  let version = 0;
  registry.onChange(() => version++);
  const made = new WeakMap<Agent, readonly Combined[]>();
  return {
    async toolsOf(agent: Agent, tenant: string) {
      const remote = agent.mcp.length > 0 && mcp ? await mcp.tools(agent.mcp, tenant) : NONE;
      const kept = (made.get(agent) ?? []).filter((each) => each.version === version);
      const known = kept.find((each) => same(each.remote, remote));
      if (known) return known.tools;
      const list = combineTools(
        [always, delegating(agent), registry.select(agent.tools), remote],
        log,
      );
      const tools = new Map(list.map((tool) => [tool.name, tool]));
      made.set(agent, [{ version, remote, tools }, ...kept].slice(0, MAX_KEPT));
      return tools;
    },
    unavailable: (agent) => mcp?.unavailable(agent.mcp) ?? [],
    async withheld(agent, name, tenant) {
      const [server = ''] = name.split('__');
      const allowed = agent.mcp.includes('*') || agent.mcp.includes(server);
      return allowed ? mcp?.resolve(name, tenant) : undefined;
    },
  };
}

const NONE: readonly Tool[] = [];

function same(a: readonly Tool[], b: readonly Tool[]): boolean {
  return a === b || (a.length === b.length && a.every((tool, i) => tool === b[i]));
}
