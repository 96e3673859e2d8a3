/** What the model of a session would be shown, with the configuration and the servers of a worker. */
import { previewContext, type ContextPreview } from '../activities/index.js';
import type { ResolvedConfig } from '../src/contracts/config.js';
import type { ToolLogger } from '../src/contracts/tool.js';
import { PerduraError } from '../src/contracts/failures.js';
import { createMailTools } from '../src/mail/mail-tools.js';
import { MCPClientManager } from '../src/mcp/mcp-client-manager.js';
import { openDatabase } from '../src/store/database.js';
import { openStores } from '../src/store/stores.js';
import { ToolRegistry } from '../src/tools/tool-registry.js';
import { agentDirectory } from './agent-directory.js';
import { hasTool, toolsOfRuntime } from './compose.js';
import { vectorsOf } from './vectors.js';

export type { ContextPreview } from '../activities/index.js';

export interface PreviewOptions {
  readonly config: ResolvedConfig;
  readonly databaseUrl: string;
  readonly tenant: string;
  readonly session: string;
  /** As if this message began the next turn. */
  readonly message?: string;
  readonly log: ToolLogger;
}

/**
 * Connects to the agent's MCP servers, as a worker does, and closes them. Rejects with
 * `Session.NotFound`, `Agent.Unknown` where this configuration has no such agent, and
 * `Store.Unavailable`.
 */
export async function previewSession(options: PreviewOptions): Promise<ContextPreview> {
  const { config, databaseUrl, tenant, session, message, log } = options;
  const database = openDatabase(databaseUrl, { maxConnections: 2 });
  const opened = openStores(database);
  const vectors = vectorsOf({ config, database, words: opened.memory, log });
  // As a worker has it; nothing is written, so the backfill has nothing to do.
  const stores = vectors ? { ...opened, memory: vectors.memory } : opened;
  const registry = new ToolRegistry(config.tools);
  const agents = agentDirectory({
    config,
    definitions: stores.definitions,
    hasTool: hasTool(config, registry),
  });
  const mcp = new MCPClientManager(config.mcp, { pins: stores.pins, log });
  try {
    const record = await stores.sessions.get(tenant, session);
    if (!record) {
      throw new PerduraError(
        'Session.NotFound',
        `There is no session ${session} in tenant ${tenant}. \`perdura sessions\` lists them.`,
      );
    }
    // Shown, and never run.
    const messages = createMailTools({
      stores,
      agent: (reference, of) => agents.get(reference, of),
      wake: () => Promise.resolve(),
      isRunning: () => Promise.resolve(false),
    });
    const tools = toolsOfRuntime({
      config,
      registry,
      mcp,
      stores,
      messages,
      describe: agents.description,
      log,
    });
    return await previewContext(
      { ...stores, tools },
      {
        key: { tenant, session },
        transcript: record.transcript,
        agent: await agents.get(record, tenant),
        ...(message === undefined ? {} : { message }),
      },
    );
  } finally {
    await mcp.close();
    await database.close();
  }
}
