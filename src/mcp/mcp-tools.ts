/**
 * A tool of an MCP server as a {@link Tool}: its name, its effect, its bounds. Knows nothing of
 * connections: what runs it is handed in.
 */
import { createHash } from 'node:crypto';
import { tool } from '../contracts/define-tool.js';
import type { McpDeadlines, McpServer } from '../contracts/mcp.js';
import type { Tool, ToolContext, ToolEffect } from '../contracts/tool.js';
import { wellFormed } from '../contracts/message.js';
import { clipText } from '../tools/text.js';
import type { McpToolInfo } from './mcp-connection.js';

export const DEFAULT_DEADLINES: McpDeadlines = {
  connectMs: 10_000,
  listMs: 10_000,
  callMs: 60_000,
};
/** A call whose progress never ends is stopped after this many times its deadline. */
const PROGRESS_EXTENDS = 10;
/** Longest description that a model sees, characters. */
export const MAX_DESCRIPTION = 8_192;
const MAX_NAME = 64;

/**
 * Server names: 1–32 of `A-Z a-z 0-9 - _`, without `__`, and no `_` at the end, so that the
 * first `__` of a tool's name always ends the server's.
 */
export function isServerName(name: string): boolean {
  return (
    /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/.test(name) && !name.includes('__') && !name.endsWith('_')
  );
}

/** Server of a tool name that {@link mcpToolName} made; undefined for any other name. */
export function serverOf(toolName: string): string | undefined {
  const end = toolName.indexOf('__');
  return end > 0 ? toolName.slice(0, end) : undefined;
}

/**
 * `server__tool`. Where the tool's own name is too long or has other characters, it is mended
 * and gets a hash, so that two names never become one.
 */
export function mcpToolName(server: string, toolName: string): string {
  const prefix = `${server}__`;
  if (/^[A-Za-z0-9_-]+$/.test(toolName) && prefix.length + toolName.length <= MAX_NAME) {
    return prefix + toolName;
  }
  const hash = createHash('sha256').update(`${server}\0${toolName}`).digest('hex').slice(0, 8);
  const readable = toolName.replace(/[^A-Za-z0-9_-]+/g, '_');
  return `${prefix}${readable.slice(0, MAX_NAME - prefix.length - 9)}_${hash}`;
}

/**
 * The operator's word first, then the server's annotations, then the operator's default, then
 * `once`. Annotations are hints: they are believed because the operator listed the server, and
 * a change of them changes the digest, so that the tool is held back until accepted.
 */
export function effectOf(info: McpToolInfo, server: McpServer): ToolEffect {
  if (server.effects && Object.hasOwn(server.effects, info.name)) {
    const named = server.effects[info.name];
    if (named !== undefined) return named;
  }
  if (info.annotations?.['readOnlyHint'] === true) return 'read';
  if (info.annotations?.['idempotentHint'] === true) return 'idempotent';
  return server.effect ?? 'once';
}

/** The server's deadlines, complete. */
export function deadlinesOf(server: McpServer): McpDeadlines {
  return { ...DEFAULT_DEADLINES, ...server.deadlines };
}

/**
 * Longest attempt of a call, ms. The connection ends a silent call at `callMs`; progress
 * extends that, and a lost connection is first opened again.
 */
export function timeoutOf(server: McpServer): number {
  const { connectMs, listMs, callMs } = deadlinesOf(server);
  return Math.ceil(connectMs + listMs + callMs * PROGRESS_EXTENDS);
}

/** Throws `Config.Invalid` when its schema is one that we do not use. */
export function mcpTool(
  serverName: string,
  server: McpServer,
  info: McpToolInfo,
  execute: (args: Record<string, unknown>, context: ToolContext) => Promise<unknown>,
): Tool {
  const description = info.description?.trim() || info.title?.trim() || info.name;
  const made = tool({
    name: mcpToolName(serverName, info.name),
    description: clipText(wellFormed(description), MAX_DESCRIPTION),
    parameters: info.inputSchema,
    effect: effectOf(info, server),
    run: 'activity',
    timeoutMs: timeoutOf(server),
    ...(info.yields === undefined ? {} : { yields: info.yields }),
    highRisk: info.annotations?.['destructiveHint'] === true,
    execute,
  });
  return { ...made, source: { kind: 'mcp', server: serverName } };
}
