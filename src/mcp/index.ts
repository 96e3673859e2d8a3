/** `perdura/mcp`: MCP servers without a session. Loads the MCP SDK with the first connection. */
export { MCPClientManager, type MCPClientManagerOptions } from './mcp-client-manager.js';
export type { McpServerStatus } from './server-link.js';
export type { BlockedTool } from './tool-catalogue.js';
export type {
  McpDeadlines,
  McpHttpServer,
  McpPins,
  McpServer,
  McpStdioServer,
} from '../contracts/mcp.js';
