/** The tools of an agent: the application's, those of its MCP servers, and `read_artifact`. */
import type { Agent } from '../src/contracts/agent.js';
import type { UnavailableServer } from '../src/contracts/events.js';
import type { Tool, ToolLogger } from '../src/contracts/tool.js';
import type { ToolSource } from '../activities/deps.js';
import { combineTools, type ToolRegistry } from '../src/tools/tool-registry.js';

/** What a tool source asks of the MCP servers. */
export interface McpTools {
  /** The tools of these servers that can be had now; a server that hangs is left out. */
  tools(servers: readonly string[]): Promise<readonly Tool[]>;
  /** Which of these servers contribute nothing now, and why. */
  unavailable(servers: readonly string[]): readonly UnavailableServer[];
  /** A tool by its full name, also one that is held back or cannot be reached. */
  resolve(name: string): Promise<Tool | undefined>;
}

/**
 * Combines the lists, the application's tools first. The map of an agent stays the same
 * object while its lists do: what is made of it (schemas, token counts) is kept by identity.
 */
export function createToolSource(parts: {
  registry: ToolRegistry;
  mcp: McpTools | undefined;
  always: readonly Tool[];
  log: ToolLogger;
}): ToolSource {
  const { registry, mcp, always, log } = parts;
  let version = 0;
  registry.onChange(() => version++);
  const made = new Map<
    string,
    { version: number; remote: readonly Tool[]; tools: ReadonlyMap<string, Tool> }
  >();
  return {
    async toolsOf(agent: Agent) {
      const remote = agent.mcp.length > 0 && mcp ? await mcp.tools(agent.mcp) : NONE;
      const known = made.get(agent.name);
      if (known?.version === version && same(known.remote, remote)) return known.tools;
      const list = combineTools([always, registry.select(agent.tools), remote], log);
      const tools = new Map(list.map((tool) => [tool.name, tool]));
      made.set(agent.name, { version, remote, tools });
      return tools;
    },
    unavailable: (agent) => mcp?.unavailable(agent.mcp) ?? [],
    async withheld(agent, name) {
      const [server = ''] = name.split('__');
      const allowed = agent.mcp.includes('*') || agent.mcp.includes(server);
      return allowed ? mcp?.resolve(name) : undefined;
    },
  };
}

const NONE: readonly Tool[] = [];

function same(a: readonly Tool[], b: readonly Tool[]): boolean {
  return a === b || (a.length === b.length && a.every((tool, i) => tool === b[i]));
}
