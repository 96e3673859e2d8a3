/** What an agent can do, outside of a running worker: the same tools by the same policy. */
import type { ResolvedConfig } from '../src/contracts/config.js';
import type { CapabilityGraph } from '../src/contracts/capabilities.js';
import { PerduraError } from '../src/contracts/failures.js';
import type { ToolLogger } from '../src/contracts/tool.js';
import { buildCapabilityGraph } from '../src/planner/build-graph.js';
import { createArtifactTool } from '../src/tools/artifact-tool.js';
import { ToolRegistry } from '../src/tools/tool-registry.js';
import { agentDirectory } from './agent-directory.js';
import { withMcpServers } from './mcp-servers.js';
import { createToolSource } from './tool-source.js';

export interface CapabilitySources {
  readonly config: ResolvedConfig;
  readonly tenant: string;
  /** Where the accepted MCP tools are. Without it every tool is seen for the first time. */
  readonly databaseUrl?: string | undefined;
  readonly log: ToolLogger;
}

/**
 * The graph of the agent of that name. Connects to its MCP servers; one that cannot be reached is a
 * gap of the graph. Rejects with `Agent.Unknown`.
 */
export async function capabilitiesOf(
  { config, tenant, databaseUrl, log }: CapabilitySources,
  name: string,
): Promise<CapabilityGraph> {
  const agent = agentDirectory(config).get(name);
  const registry = new ToolRegistry(config.tools);
  const parts = { servers: config.mcp, databaseUrl, log };
  return withMcpServers(parts, agent.mcp, async (mcp) => {
    const source = createToolSource({ registry, mcp, always: [LISTED_ONLY], log });
    const tools = await source.toolsOf(agent, tenant);
    return buildCapabilityGraph({
      agent,
      tools: tools.values(),
      unavailable: source.unavailable(agent),
    });
  });
}

/** Nothing is called here. */
const LISTED_ONLY = createArtifactTool(() =>
  Promise.reject(new PerduraError('Tool.Failed', 'There is no session here.')),
);
