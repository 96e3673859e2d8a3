/**
 * Which of a server's tools are offered, and why the others are not: the operator's choice,
 * pins, suspicion, schemas. Asks the pins; knows no connection.
 */
import type { McpPins, McpServer } from '../contracts/mcp.js';
import { PerduraError } from '../contracts/failures.js';
import { schemaProblem } from '../contracts/json-schema.js';
import { wellFormed } from '../contracts/message.js';
import type { Tool, ToolContext } from '../contracts/tool.js';
import { clipText } from '../tools/text.js';
import { suspicionOf } from './description-scan.js';
import type { McpToolInfo } from './mcp-connection.js';
import { MAX_DESCRIPTION, mcpTool } from './mcp-tools.js';
import { toolDigest } from './tool-pins.js';

/** Why a tool is held back. The first two end when somebody accepts it. */
export type BlockReason = 'changed' | 'suspicious' | 'unusable';

export interface BlockedTool {
  /** The server's own name of it. */
  readonly tool: string;
  readonly reason: BlockReason;
  /** A sentence for whoever reviews it. */
  readonly detail: string;
  /** What the model would be told; for the review. */
  readonly description: string;
  /** What `accept` would pin. */
  readonly digest: string;
}

export interface ToolCatalogue {
  readonly offered: readonly Tool[];
  /** Offered or not, by the name that the model calls: one that is not fails with why. */
  readonly callable: ReadonlyMap<string, Tool>;
  readonly blocked: readonly BlockedTool[];
}

/** Runs a tool that had this digest when it was offered. */
export type CallTool = (
  info: McpToolInfo,
  digest: string,
  args: Record<string, unknown>,
  context: ToolContext,
) => Promise<unknown>;

/**
 * For a tenant, or for the operator: what the operator has accepted counts for every tenant, what a
 * tenant has accepted (or seen first) for itself. Rejects with what the pins reject with
 * (`Store.Unavailable`): without them nothing is known.
 */
export async function judgeTools(
  serverName: string,
  server: McpServer,
  tools: readonly McpToolInfo[],
  pins: McpPins,
  call: CallTool,
  tenant?: string,
): Promise<ToolCatalogue> {
  const [operators, own] = await Promise.all([
    pins.load(serverName),
    tenant === undefined ? undefined : pins.load(serverName, tenant),
  ]);
  const offered: Tool[] = [];
  const blocked: BlockedTool[] = [];
  const callable = new Map<string, Tool>();
  const seen = new Set<string>();
  for (const info of tools) {
    if (server.tools && !server.tools.includes(info.name)) continue;
    const unusable = unusableBecause(info, seen);
    seen.add(info.name);
    // First, since the digest walks the schema: one that is too deep must not get there.
    if (unusable !== undefined) {
      blocked.push(held(info, 'unusable', unusable, ''));
      continue;
    }
    const digest = toolDigest(info);
    const made = mcpTool(serverName, server, info, (args, context) =>
      call(info, digest, args, context),
    );
    if (callable.has(made.name)) {
      blocked.push(held(info, 'unusable', 'another tool has this name', digest));
      continue;
    }
    const accepted = [own?.get(info.name), operators.get(info.name)].filter(
      (pin) => pin !== undefined,
    );
    const block = await pinOrBlock(serverName, server, info, digest, accepted, pins, tenant);
    if (block) {
      blocked.push(block);
      callable.set(made.name, { ...made, execute: () => refuse(serverName, block) });
    } else {
      offered.push(made);
      callable.set(made.name, made);
    }
  }
  return { offered, callable, blocked };
}

async function pinOrBlock(
  serverName: string,
  server: McpServer,
  info: McpToolInfo,
  digest: string,
  accepted: readonly string[],
  pins: McpPins,
  tenant: string | undefined,
): Promise<BlockedTool | undefined> {
  if (accepted.includes(digest)) return undefined;
  const suspicion = suspicionOf(info);
  if (suspicion !== undefined) return held(info, 'suspicious', suspicion, digest);
  // Another worker may pin another version in between: the pin in force decides.
  const inForce = accepted[0] ?? (await pins.pin(serverName, info.name, digest, tenant));
  if (inForce === digest) return undefined;
  if (server.onChange === 'accept') {
    await pins.accept(serverName, info.name, digest, tenant);
    return undefined;
  }
  const detail = 'its description, schema or annotations differ from the accepted ones';
  return held(info, 'changed', detail, digest);
}

/** Longest name, characters, and largest schema, characters as JSON. */
const MAX_NAME = 256;
const MAX_SCHEMA = 256 * 1024;

function unusableBecause(info: McpToolInfo, seen: ReadonlySet<string>): string | undefined {
  // The name is a key in the database: one that it does not take would cost all the others.
  if (wellFormed(info.name) !== info.name) return 'its name is not well-formed text';
  if (info.name.length > MAX_NAME) return `its name has more than ${MAX_NAME} characters`;
  if (seen.has(info.name)) return 'the server lists this name twice';
  if (info.name.trim() === '') return 'it has no name';
  if (info.needsTask) return 'it can only be called as an MCP task, which is not supported';
  const problem = schemaProblem(info.inputSchema);
  if (problem !== undefined) return problem;
  const size = JSON.stringify(info.inputSchema).length;
  return size > MAX_SCHEMA ? `its schema has ${size} characters` : undefined;
}

function held(info: McpToolInfo, reason: BlockReason, detail: string, digest: string): BlockedTool {
  return {
    tool: reason === 'unusable' ? wellFormed(clipText(info.name, MAX_NAME)) : info.name,
    reason,
    detail,
    description: wellFormed(clipText(info.description ?? '', MAX_DESCRIPTION)),
    digest,
  };
}

/** The failure of a call that came all the same: the model knew the tool from before. */
export function refuse(serverName: string, { tool, detail }: BlockedTool): never {
  throw new PerduraError(
    'Mcp.ToolChanged',
    `The tool "${tool}" of MCP server "${serverName}" is held back until somebody accepts it: ${detail}.`,
  );
}
