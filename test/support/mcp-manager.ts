/** An MCP client manager under test, with its executor; closed after each test. */
import { afterEach } from 'vitest';
import { MCPClientManager } from '../../src/mcp/mcp-client-manager.js';
import {
  ToolExecutor,
  type RunToolOptions,
  type ToolOutcome,
} from '../../src/tools/tool-executor.js';
import type { McpServer } from '../../src/contracts/mcp.js';
import { InMemoryPins, KeptLog, oddServerIn, placeOf } from './mcp.js';
import { temporaryFolder } from './temporary-folder.js';

const open: MCPClientManager[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((manager) => manager.close()));
});

export interface ManagerUnderTest {
  readonly manager: MCPClientManager;
  readonly pins: InMemoryPins;
  readonly log: KeptLog;
  /** Servers whose tools changed, in order. */
  readonly changes: string[];
  /** Calls a tool by the name that a model uses. */
  call(name: string, args?: object, more?: CallOptions): Promise<ToolOutcome>;
}

export type CallOptions = Partial<RunToolOptions> & { readonly attempt?: number };

export function manage(
  servers: Record<string, McpServer>,
  pins = new InMemoryPins(),
): ManagerUnderTest {
  const log = new KeptLog();
  const changes: string[] = [];
  const manager = new MCPClientManager(servers, {
    pins,
    log,
    onToolsChanged: (server) => changes.push(server),
  });
  open.push(manager);
  return {
    manager,
    pins,
    log,
    changes,
    async call(name, args = {}, { attempt = 1, ...options } = {}) {
      const call = { id: 'call_1', name, arguments: JSON.stringify(args) };
      const signal = new AbortController().signal;
      const tool = await manager.resolve(name);
      return new ToolExecutor().run(call, tool, placeOf(attempt), { signal, ...options });
    },
  };
}

/** A server of `test/fixtures/odd-mcp-server.mjs`, and what it ran. */
export function oddServer(mode: string): ReturnType<typeof oddServerIn> {
  return oddServerIn(temporaryFolder(), mode);
}

/** All text of an outcome. */
export function textOf({ parts }: ToolOutcome): string {
  return parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
}

export async function namesOf(manager: MCPClientManager, servers = ['*']): Promise<string[]> {
  return (await manager.tools(servers)).map(({ name }) => name);
}
