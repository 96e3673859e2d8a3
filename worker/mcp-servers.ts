/**
 * The MCP servers of a configuration outside of a running worker, for somebody who reviews
 * what they offer: the same connections and the same pins as a worker has.
 */
import { MCPClientManager } from '../src/mcp/mcp-client-manager.js';
import type { McpPins, McpServer } from '../src/contracts/mcp.js';
import type { ToolLogger } from '../src/contracts/tool.js';
import { openDatabase } from '../src/store/database.js';
import { McpPinStore } from '../src/store/mcp-pins.js';

/**
 * Connects to the servers of these names, `*` for all, and closes them after `use`. One that
 * cannot be reached says so in its status.
 */
export async function withMcpServers<T>(
  parts: {
    readonly servers: Readonly<Record<string, McpServer>>;
    /** Where the pins are. Without it every tool is seen for the first time, and nothing is kept. */
    readonly databaseUrl?: string | undefined;
    readonly log: ToolLogger;
  },
  names: readonly string[],
  use: (manager: MCPClientManager) => Promise<T>,
): Promise<T> {
  const { databaseUrl } = parts;
  const database =
    databaseUrl === undefined ? undefined : openDatabase(databaseUrl, { maxConnections: 2 });
  const manager = new MCPClientManager(parts.servers, {
    pins: database ? new McpPinStore(database) : FIRST_SIGHT,
    log: parts.log,
  });
  try {
    await manager.tools(names);
    return await use(manager);
  } finally {
    await manager.close();
    await database?.close();
  }
}

const FIRST_SIGHT: McpPins = {
  load: () => Promise.resolve(new Map()),
  pin: (_server, _tool, digest) => Promise.resolve(digest),
  accept: () => Promise.resolve(),
};
