/**
 * All MCP servers of a worker. Only what the operator listed (or added in code) is ever
 * started; definitions name servers, they do not describe them.
 */
import type { UnavailableServer } from '../contracts/events.js';
import { PerduraError } from '../contracts/failures.js';
import { tool } from '../contracts/define-tool.js';
import type { McpPins, McpServer } from '../contracts/mcp.js';
import type { Tool, ToolLogger } from '../contracts/tool.js';
import type { McpConnect } from './mcp-connection.js';
import { deadlinesOf, isServerName, serverOf } from './mcp-tools.js';
import { McpServerLink, type McpServerStatus } from './server-link.js';

export interface MCPClientManagerOptions {
  readonly pins: McpPins;
  readonly log: ToolLogger;
  /** Called with the name of a server whose tools changed. Must not throw. */
  readonly onToolsChanged?: (server: string) => void;
  /** How connections are opened. Default the SDK, stdio and Streamable HTTP. */
  readonly connect?: McpConnect;
}

/** Loads the SDK with the first connection: the package root exports this file. */
const connectWithSdk: McpConnect = async (...args) =>
  (await import('./sdk-connection.js')).connectWithSdk(...args);

export class MCPClientManager {
  readonly #links = new Map<string, McpServerLink>();
  readonly #options: MCPClientManagerOptions;

  /** Starts nothing yet. Throws `Config.Invalid` for a declaration that cannot work. */
  constructor(servers: Readonly<Record<string, McpServer>>, options: MCPClientManagerOptions) {
    this.#options = options;
    for (const [name, server] of Object.entries(servers)) this.add(name, server);
  }

  /** Throws `Config.Invalid` when the name is taken or the declaration cannot work. */
  add(name: string, server: McpServer): void {
    checkServer(name, server);
    if (this.#links.has(name)) {
      throw invalid(`There is already an MCP server named "${name}": remove it first.`);
    }
    const { pins, log, onToolsChanged, connect = connectWithSdk } = this.#options;
    const link = new McpServerLink(name, server, {
      pins,
      log,
      connect,
      onToolsChanged: () => onToolsChanged?.(name),
    });
    this.#links.set(name, link);
  }

  /** Closes the server, with its process; false when there was none of this name. */
  async remove(name: string): Promise<boolean> {
    const link = this.#links.get(name);
    if (!link) return false;
    this.#links.delete(name);
    await link.close();
    return true;
  }

  /**
   * The tools of these servers for a tenant (default: the operator), `*` for all, in the order of the servers' declaration.
   * Connects as needed, all at once; a server that does not answer by its deadlines
   * contributes nothing now and a status. A name that no server has is logged. Rejects only
   * when the pins cannot be read.
   */
  async tools(names: readonly string[], tenant?: string): Promise<readonly Tool[]> {
    for (const name of names) {
      if (name !== '*' && !this.#links.has(name)) {
        this.#options.log.warn(
          { server: name },
          'an agent names an MCP server that nobody declared',
        );
      }
    }
    const wanted = [...this.#links].filter(([name]) => names.includes('*') || names.includes(name));
    return (await Promise.all(wanted.map(([, link]) => link.tools(tenant)))).flat();
  }

  /** Which of these servers contribute nothing now, and why. `*` for all. */
  unavailable(names: readonly string[]): readonly UnavailableServer[] {
    const missing = names
      .filter((name) => name !== '*' && !this.#links.has(name))
      .map((server) => ({ server, reason: 'The configuration has no server of this name.' }));
    const away = [...this.#links].flatMap(([server, { away: reason }]) =>
      reason !== undefined && (names.includes('*') || names.includes(server))
        ? [{ server, reason }]
        : [],
    );
    return [...missing, ...away];
  }

  /**
   * The tool behind a name that a model called, also one that is held back (it fails with
   * `Mcp.ToolChanged`). While its server cannot be reached and was never listed here, a tool
   * that fails with `Mcp.Unavailable` and runs nothing. Undefined when no server has it.
   */
  async resolve(toolName: string, tenant?: string): Promise<Tool | undefined> {
    const server = serverOf(toolName);
    const link = server === undefined ? undefined : this.#links.get(server);
    if (!link || server === undefined) return undefined;
    try {
      return await link.tool(toolName, tenant);
    } catch (error) {
      if (!(error instanceof PerduraError) || !error.type.startsWith('Mcp.')) throw error;
      return unreachable(toolName, server, error);
    }
  }

  /** Of every server, in the order of declaration. */
  status(): readonly McpServerStatus[] {
    return [...this.#links.values()].map((link) => link.status());
  }

  /**
   * Somebody has reviewed the tools that are held back: offers them from now on, to a tenant or
   * (default) to every tenant, all or those
   * named (by the server's own names). Returns what was accepted. Throws `Config.Invalid` for
   * an unknown server, `Mcp.Unavailable` where it cannot be reached and was never listed.
   */
  async accept(
    server: string,
    tools?: readonly string[],
    tenant?: string,
  ): Promise<readonly string[]> {
    const link = this.#links.get(server);
    if (!link) {
      const known = [...this.#links.keys()].join(', ') || 'none';
      throw invalid(`There is no MCP server named "${server}"; there are: ${known}.`);
    }
    return link.accept(tools, tenant);
  }

  /** Resolves when every process is gone. The manager is empty afterwards. */
  async close(): Promise<void> {
    const links = [...this.#links.values()];
    this.#links.clear();
    await Promise.all(links.map((link) => link.close()));
  }
}

/** Takes any arguments and has the effect `read`: it never runs anything, so it may be tried again. */
function unreachable(name: string, server: string, error: PerduraError): Tool {
  const stand = tool({
    name,
    description: `A tool of MCP server "${server}", which cannot be reached.`,
    effect: 'read',
    execute() {
      throw error;
    },
  });
  return { ...stand, source: { kind: 'mcp', server } };
}

function checkServer(name: string, server: McpServer): void {
  if (!isServerName(name)) {
    throw invalid(
      `An MCP server is named ${JSON.stringify(name)}: use 1 to 32 of A-Z, a-z, 0-9, "-" and "_", without "__", starting with a letter or digit and not ending with "_".`,
    );
  }
  const command: unknown = 'command' in server ? server.command : undefined;
  const url: unknown = 'url' in server ? server.url : undefined;
  if ((command === undefined) === (url === undefined)) {
    throw invalid(
      `MCP server "${name}" needs either "command" (stdio) or "url" (Streamable HTTP).`,
    );
  }
  if (command !== undefined && (typeof command !== 'string' || command === '')) {
    throw invalid(`MCP server "${name}" has a "command" that is no text: name a program.`);
  }
  if (url !== undefined && !/^https?:$/.test(protocolOf(url))) {
    throw invalid(
      `MCP server "${name}" has the url ${JSON.stringify(url)}: use http:// or https://.`,
    );
  }
  for (const [phase, ms] of Object.entries(deadlinesOf(server))) {
    if (typeof ms !== 'number' || !(ms > 0)) {
      throw invalid(`MCP server "${name}" has deadlines.${phase} ${String(ms)}: use ms above 0.`);
    }
  }
}

function protocolOf(url: unknown): string {
  return typeof url === 'string' && URL.canParse(url) ? new URL(url).protocol : '';
}

function invalid(message: string): PerduraError {
  return new PerduraError('Config.Invalid', message);
}
