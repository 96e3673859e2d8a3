/**
 * What a person has accepted of an MCP tool, as a digest: the same digest, the same words to
 * the model. Pure; where pins are kept is behind `McpPins`.
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../contracts/canonical-json.js';
import type { McpToolInfo } from './mcp-connection.js';

/** SHA-256 (hex) over all of a tool that a model sees or that decides how it is run. */
export function toolDigest(tool: McpToolInfo): string {
  const { name, title, description, inputSchema, annotations } = tool;
  const said = canonicalJson({ name, title, description, inputSchema, annotations });
  return createHash('sha256').update(said).digest('hex');
}
