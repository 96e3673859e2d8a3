/** What an agent can do, outside of a running worker: the same tools by the same policy. */
import type { ResolvedConfig } from '../src/contracts/config.js';
import type { CapabilityGraph } from '../src/contracts/capabilities.js';
import type { ToolLogger } from '../src/contracts/tool.js';
import { buildCapabilityGraph } from '../src/planner/build-graph.js';
import { createMailTools } from '../src/mail/mail-tools.js';
import { openDatabase } from '../src/store/database.js';
import { openStores } from '../src/store/stores.js';
import { ToolRegistry } from '../src/tools/tool-registry.js';
import { agentDirectory, type DirectoryParts } from './agent-directory.js';
import { hasTool, toolsOfRuntime } from './compose.js';
import { withMcpServers } from './mcp-servers.js';

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
  const registry = new ToolRegistry(config.tools);
  const { agent, describe } = await agentOf({ config, tenant, databaseUrl, registry }, name);
  // Its tools are listed and not called: no connection is made.
  const database = openDatabase(databaseUrl ?? 'postgresql://', { maxConnections: 1 });
  const stores = openStores(database);
  const messages = createMailTools({
    stores,
    agent: () => Promise.resolve(agent),
    wake: () => Promise.resolve(),
    isRunning: () => Promise.resolve(false),
  });
  const parts = { servers: config.mcp, databaseUrl, log };
  return withMcpServers(parts, agent.mcp, async (mcp) => {
    const source = toolsOfRuntime({ config, registry, mcp, stores, messages, describe, log });
    const tools = await source.toolsOf(agent, tenant);
    return buildCapabilityGraph({
      agent,
      tools: tools.values(),
      skills: source.skillsOf(agent),
      unavailable: source.unavailable(agent),
    });
  }).finally(() => database.close());
}

/** Of the configuration or, where there is a database, made at run time. Rejects with `Agent.Unknown`. */
async function agentOf(
  parts: Omit<CapabilitySources, 'log'> & { readonly registry: ToolRegistry },
  name: string,
) {
  const { config, tenant, databaseUrl, registry } = parts;
  const configured = config.agents.some((agent) => agent.name === name);
  // The database may be down, and is not asked for what the configuration says.
  const database =
    configured || databaseUrl === undefined
      ? undefined
      : openDatabase(databaseUrl, { maxConnections: 1 });
  try {
    const definitions = database ? openStores(database).definitions : NONE_MADE;
    const agents = agentDirectory({ config, definitions, hasTool: hasTool(config, registry) });
    return { agent: await agents.get({ agent: name }, tenant), describe: agents.description };
  } finally {
    await database?.close();
  }
}

const NONE_MADE: DirectoryParts['definitions'] = {
  keep: () => Promise.resolve(),
  made: () => Promise.resolve(undefined),
  read: () => Promise.resolve(undefined),
};
