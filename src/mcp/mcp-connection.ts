/**
 * What the rest of Perdura knows of an MCP server: an open connection, in our own words. No
 * SDK type may enter, so that an adapter for the stateless protocol can stand beside
 * `sdk-connection.ts` one day.
 */
import type { McpDeadlines, McpServer } from '../contracts/mcp.js';
import type { JsonSchema, ToolLogger } from '../contracts/tool.js';

/** A tool as its server describes it. All of it is foreign text. */
export interface McpToolInfo {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly inputSchema: JsonSchema;
  /** Bare structure of what comes out; see `output-shape.ts`. */
  readonly yields?: JsonSchema;
  /** Hints, as the server gives them: `readOnlyHint`, `idempotentHint`, `destructiveHint`. */
  readonly annotations?: Readonly<Record<string, unknown>>;
  /** Can only be called as an MCP task, which we do not do. */
  readonly needsTask: boolean;
}

/** A piece of a result. Unknown kinds come as `other`. */
export type McpBlock =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image'; readonly data: string; readonly mimeType: string }
  | { readonly type: 'audio'; readonly data: string; readonly mimeType: string }
  | {
      readonly type: 'link';
      readonly uri: string;
      readonly name?: string | undefined;
      readonly mimeType?: string | undefined;
    }
  | ({ readonly type: 'resource' } & McpResourceContents)
  | { readonly type: 'other'; readonly value: unknown };

/** Contents of a resource: `text`, or `blob` in base64. */
export interface McpResourceContents {
  readonly uri: string;
  readonly mimeType?: string | undefined;
  readonly text?: string | undefined;
  readonly blob?: string | undefined;
}

export interface McpCallResult {
  readonly content: readonly McpBlock[];
  readonly structured?: Readonly<Record<string, unknown>>;
  readonly isError: boolean;
}

export interface McpResourceInfo {
  /** A URI, or a template (RFC 6570) of one. */
  readonly uri: string;
  readonly template: boolean;
  readonly name: string;
  readonly description?: string | undefined;
  readonly mimeType?: string | undefined;
}

export interface McpPromptInfo {
  readonly name: string;
  readonly description?: string | undefined;
  readonly arguments: readonly {
    readonly name: string;
    readonly description?: string | undefined;
    readonly required: boolean;
  }[];
}

export interface McpPromptMessage {
  readonly role: string;
  readonly content: McpBlock;
}

export interface McpCallOptions {
  /** Cancels the call and tells the server so. */
  readonly signal?: AbortSignal;
  /** Each call of it also starts the deadline anew. */
  readonly onProgress?: (message: string, fraction?: number) => void;
}

/**
 * An open connection. Requests reject with
 * - `Mcp.Unavailable` when the connection is or gets lost, `Mcp.Timeout` when the deadline of
 *   the phase passes; marked by `markNotStarted` where the request never reached the server;
 * - a plain `Error` for what the server answered, or when the signal was aborted.
 *
 * Lost is lost: a new connection takes its place.
 */
export interface McpConnection {
  readonly abilities: {
    readonly tools: boolean;
    readonly resources: boolean;
    readonly prompts: boolean;
    /** The server says when its tools change. */
    readonly tellsOfTools: boolean;
  };
  /** Nothing can be sent any more. */
  readonly lost: boolean;
  /** Process id of a stdio server, the leader of its group. */
  readonly pid: number | undefined;
  /** Every page. A tool that is no valid MCP tool becomes a warning. */
  listTools(): Promise<{
    readonly tools: readonly McpToolInfo[];
    readonly warnings: readonly string[];
  }>;
  callTool(name: string, args: unknown, options: McpCallOptions): Promise<McpCallResult>;
  listResources(options: McpCallOptions): Promise<readonly McpResourceInfo[]>;
  readResource(uri: string, options: McpCallOptions): Promise<readonly McpResourceContents[]>;
  listPrompts(options: McpCallOptions): Promise<readonly McpPromptInfo[]>;
  getPrompt(
    name: string,
    args: Readonly<Record<string, string>>,
    options: McpCallOptions,
  ): Promise<readonly McpPromptMessage[]>;
  /** Resolves when the process is gone, or the session ended. Never rejects. */
  close(): Promise<void>;
}

/** What a connection tells its owner. None of these may throw. */
export interface McpConnectionHooks {
  onToolsChanged(): void;
  /** Once, also after `close`. `hung`: it was given up because it did not answer. */
  onLost(reason: string, hung: boolean): void;
  /** Aborted when the connection is not wanted any more while it is being opened. */
  readonly signal: AbortSignal;
  readonly log: ToolLogger;
}

/**
 * Opens a connection and shakes hands within `deadlines.connectMs`. Rejects with
 * `Mcp.Unavailable` or `Mcp.Timeout`; then no process is left.
 */
export type McpConnect = (
  name: string,
  server: McpServer,
  deadlines: McpDeadlines,
  hooks: McpConnectionHooks,
) => Promise<McpConnection>;
