/**
 * What a person has accepted of an MCP tool, as a digest: the same digest, the same words to
 * the model. Pure; where pins are kept is behind `McpPins`.
 */
import { createHash } from 'node:crypto';
import type { McpToolInfo } from './mcp-connection.js';

/** SHA-256 (hex) over all of a tool that a model sees or that decides how it is run. */
export function toolDigest(tool: McpToolInfo): string {
  const { name, title, description, inputSchema, annotations } = tool;
  const said = canonicalJson({ name, title, description, inputSchema, annotations });
  return createHash('sha256').update(said).digest('hex');
}

/**
 * JSON with sorted keys and no spaces (RFC 8785), so that two writings of the same value are
 * one text. `undefined` is left out, as in JSON.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map((item) => canonicalJson(item === undefined ? null : item)).join(',')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    // Sorted by UTF-16 units, as RFC 8785 asks and `sort` does.
    const members = Object.keys(value)
      .sort()
      .map((key) => [key, (value as Record<string, unknown>)[key]] as const)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
