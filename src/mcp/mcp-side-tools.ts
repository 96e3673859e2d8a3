/**
 * Resources and prompts of an MCP server, readable as tools: `server__list_resources`,
 * `server__read_resource`, `server__list_prompts`, `server__get_prompt`. Only where the server
 * has them; a tool of its own with such a name goes first.
 */
import type { McpServer } from '../contracts/mcp.js';
import type { JsonSchema, Tool, ToolContext } from '../contracts/tool.js';
import { NO_ARGUMENTS } from '../contracts/json-schema.js';
import type { McpCallOptions, McpConnection } from './mcp-connection.js';
import { promptContent, promptLines, resourceContent, resourceLines } from './mcp-results.js';
import { mcpTool } from './mcp-tools.js';

/** Runs `use` with an open connection of the server. */
export type WithConnection = <T>(
  use: (connection: McpConnection, options: McpCallOptions) => Promise<T>,
  context: ToolContext,
) => Promise<T>;

interface SideTool {
  readonly ability: 'resources' | 'prompts';
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonSchema;
  run(
    connection: McpConnection,
    args: Record<string, unknown>,
    options: McpCallOptions,
  ): Promise<unknown>;
}

const SIDE_TOOLS: readonly SideTool[] = [
  {
    ability: 'resources',
    name: 'list_resources',
    description: 'Lists the resources (documents, files, data) that can be read, with their URIs.',
    inputSchema: NO_ARGUMENTS,
    run: async (connection, _, options) => resourceLines(await connection.listResources(options)),
  },
  {
    ability: 'resources',
    name: 'read_resource',
    description: 'Reads a resource by its URI.',
    inputSchema: {
      type: 'object',
      properties: { uri: { type: 'string', description: 'A URI that list_resources gave' } },
      required: ['uri'],
    },
    run: async (connection, { uri }, options) =>
      resourceContent(await connection.readResource(String(uri), options)),
  },
  {
    ability: 'prompts',
    name: 'list_prompts',
    description: 'Lists prompt templates with their arguments.',
    inputSchema: NO_ARGUMENTS,
    run: async (connection, _, options) => promptLines(await connection.listPrompts(options)),
  },
  {
    ability: 'prompts',
    name: 'get_prompt',
    description: 'Fills in a prompt template and returns its messages.',
    inputSchema: {
      type: 'object',
      properties: {
        name: { type: 'string', description: 'A name that list_prompts gave' },
        arguments: { type: 'object', additionalProperties: { type: 'string' } },
      },
      required: ['name'],
    },
    run: async (connection, { name, arguments: args }, options) =>
      promptContent(
        await connection.getPrompt(String(name), (args ?? {}) as Record<string, string>, options),
      ),
  },
];

/** What the server's abilities and the operator's `tools` allow. */
export function sideTools(
  serverName: string,
  server: McpServer,
  abilities: McpConnection['abilities'],
  withConnection: WithConnection,
): Tool[] {
  return SIDE_TOOLS.filter(
    ({ ability, name }) => abilities[ability] && (server.tools?.includes(name) ?? true),
  ).map((side) =>
    mcpTool(
      serverName,
      server,
      {
        name: side.name,
        description: `${side.description} (MCP server ${serverName})`,
        inputSchema: side.inputSchema,
        annotations: { readOnlyHint: true },
        needsTask: false,
      },
      (args, context) =>
        withConnection((connection, options) => side.run(connection, args, options), context),
    ),
  );
}
