/** MCP servers, as the operator declares them. Never from a tenant: a command is code. */

/** Deadlines by phase, ms. */
export interface McpDeadlines {
  /** Start the process or open the connection, and shake hands. Default 10,000. */
  readonly connectMs: number;
  /** List tools, resources, prompts. Default 10,000. */
  readonly listMs: number;
  /** One call, unless progress comes: then from the last progress. Default 60,000. */
  readonly callMs: number;
}

export type McpServer = McpStdioServer | McpHttpServer;

interface McpServerCommon {
  readonly deadlines?: Partial<McpDeadlines>;
  /** Effect of its tools where their annotations say nothing. Default `once`. */
  readonly effect?: 'read' | 'idempotent' | 'once';
  /** Effect by tool name, over annotations and default. */
  readonly effects?: Readonly<Record<string, 'read' | 'idempotent' | 'once'>>;
  /**
   * What to do with a description or schema that differs from the one first seen.
   * `refuse` (default): the tool is not offered until accepted. `accept`: take the new one.
   */
  readonly onChange?: 'refuse' | 'accept';
  /** Only these tools, by the server's own names. Default all. */
  readonly tools?: readonly string[];
}

export interface McpStdioServer extends McpServerCommon {
  readonly command: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface McpHttpServer extends McpServerCommon {
  /** Streamable HTTP endpoint. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Where the digests of accepted tool descriptions are kept, for each tenant. Without a tenant:
 * those of the operator, which count for every tenant.
 */
export interface McpPins {
  /** Digest by tool name, of one server. */
  load(server: string, tenant?: string): Promise<ReadonlyMap<string, string>>;
  /** Pins a tool at first sight; keeps the pin that is there and returns the one in force. */
  pin(server: string, tool: string, digest: string, tenant?: string): Promise<string>;
  /** Replaces a pin: someone has reviewed the change. */
  accept(server: string, tool: string, digest: string, tenant?: string): Promise<void>;
}
