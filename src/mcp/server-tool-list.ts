/**
 * What one MCP server lists, and what of it is offered. Outlives connections: the list of the
 * last one stays until another has come. Opens no connection and runs no tool.
 */
import { PerduraError } from '../contracts/failures.js';
import { DEFAULT_TENANT } from '../contracts/ids.js';
import type { McpPins, McpServer } from '../contracts/mcp.js';
import type { ToolLogger } from '../contracts/tool.js';
import { markNotStarted } from '../tools/not-started.js';
import { thrownMessage } from '../tools/text.js';
import type { McpConnection, McpToolInfo } from './mcp-connection.js';
import { sideTools, type WithConnection } from './mcp-side-tools.js';
import { judgeTools, type CallTool, type ToolCatalogue } from './tool-catalogue.js';

/** A list older than this is fetched again where the server does not say when it changes, ms. */
const LIST_TTL_MS = 60_000;
/** Tenants whose catalogue is kept, of one server. */
const MAX_TENANTS = 1_000;
const OPERATOR = '';

interface Listed {
  readonly tools: readonly McpToolInfo[];
  readonly warnings: readonly string[];
  readonly abilities: McpConnection['abilities'];
  /** What of it would make a difference to anybody. */
  readonly said: string;
  readonly at: number;
}

export interface ServerToolListDeps {
  readonly pins: McpPins;
  readonly log: ToolLogger;
  readonly call: CallTool;
  readonly withConnection: WithConnection;
  /** Called when a list differs from the one before it. */
  readonly onChanged: () => void;
}

export class ServerToolList {
  readonly #name: string;
  readonly #server: McpServer;
  readonly #deps: ServerToolListDeps;
  #listed: Listed | undefined;
  /** By tenant; '' for the operator. Tenants with the same pins share one. */
  readonly #catalogues = new Map<string, ToolCatalogue>();
  #refreshing: Promise<void> | undefined;
  #stale = false;

  constructor(name: string, server: McpServer, deps: ServerToolListDeps) {
    this.#name = name;
    this.#server = server;
    this.#deps = deps;
  }

  /** There is a list, of this connection or one before it. */
  get known(): boolean {
    return this.#listed !== undefined;
  }

  get warnings(): readonly string[] {
    return this.#listed?.warnings ?? [];
  }

  /** Of the operator, as far as it has been judged. */
  get catalogue(): ToolCatalogue | undefined {
    return this.#catalogues.get(OPERATOR);
  }

  find(toolName: string): McpToolInfo | undefined {
    return this.#listed?.tools.find(({ name }) => name === toolName);
  }

  /** Rejects when the server does not list its tools. */
  async fetch(connection: McpConnection): Promise<void> {
    const { abilities } = connection;
    this.#stale = false;
    const { tools, warnings } = abilities.tools
      ? await connection.listTools()
      : { tools: [], warnings: [] };
    for (const warning of warnings) this.#deps.log.warn({ server: this.#name }, warning);
    const before = this.#listed;
    const said = JSON.stringify([tools, abilities]);
    this.#listed = { tools, warnings, abilities, said, at: performance.now() };
    if (before?.said === said) return;
    this.#catalogues.clear();
    if (before) this.#deps.onChanged();
  }

  /** The server says that its tools have changed. */
  announce(connection: McpConnection | undefined): void {
    this.#stale = true;
    // One at a time: a server that announces without end is listed again at its next use.
    if (connection && !this.#refreshing) void this.#refresh(connection);
  }

  /** Fetches a list that is old or known to have changed, while the old one is served. */
  refreshIfStale(connection: McpConnection): void {
    const age = performance.now() - (this.#listed?.at ?? 0);
    const old = age > LIST_TTL_MS && !connection.abilities.tellsOfTools;
    if ((this.#stale || old) && !this.#refreshing) void this.#refresh(connection);
  }

  /**
   * Waits until no announced change is outstanding: what runs must be what was accepted.
   * Rejects, marked as not started, when the server does not say what has changed.
   */
  async settle(connection: McpConnection): Promise<void> {
    await this.#refreshing;
    if (this.#stale) await this.#refresh(connection);
    if (!this.#stale) return;
    const message = `MCP server "${this.#name}" announced that its tools changed, but does not list them.`;
    throw markNotStarted(new PerduraError('Mcp.Unavailable', message));
  }

  /**
   * What a tenant is offered, or the operator. Held-back tools are looked at again each time:
   * they may have been accepted elsewhere.
   */
  async judged(tenant?: string): Promise<ToolCatalogue> {
    const whose = tenant === DEFAULT_TENANT ? OPERATOR : (tenant ?? OPERATOR);
    const known = this.#catalogues.get(whose);
    if (known && !known.blocked.some(({ reason }) => reason !== 'unusable')) return known;
    const listed = this.#listed;
    if (!listed) return { offered: [], callable: new Map(), blocked: [] };
    const { pins, call, withConnection } = this.#deps;
    const own = await judgeTools(
      this.#name,
      this.#server,
      listed.tools,
      pins,
      call,
      whose === OPERATOR ? undefined : whose,
    );
    // Another list may have come while the pins were asked.
    const current = this.#listed === listed;
    // The same objects while nothing differs: schemas and token counts are kept by identity.
    const same = current && [...this.#catalogues.values()].find((each) => sameBlocked(each, own));
    if (same) {
      this.#keep(whose, same);
      return same;
    }
    const extra = sideTools(this.#name, this.#server, listed.abilities, withConnection).filter(
      ({ name }) => !own.callable.has(name),
    );
    const catalogue: ToolCatalogue = {
      blocked: own.blocked,
      offered: [...own.offered, ...extra],
      callable: new Map([...own.callable, ...extra.map((tool) => [tool.name, tool] as const)]),
    };
    if (current) this.#keep(whose, catalogue);
    return catalogue;
  }

  /** The tenants that came last are kept. */
  #keep(whose: string, catalogue: ToolCatalogue): void {
    this.#catalogues.delete(whose);
    this.#catalogues.set(whose, catalogue);
    for (const [oldest] of this.#catalogues) {
      if (this.#catalogues.size <= MAX_TENANTS) break;
      if (oldest !== OPERATOR) this.#catalogues.delete(oldest);
    }
  }

  /** Somebody changed the pins. */
  judgeAgain(): void {
    this.#catalogues.clear();
  }

  /** Never rejects; the old list stays, marked stale. */
  #refresh(connection: McpConnection): Promise<void> {
    this.#refreshing ??= this.fetch(connection)
      .catch((error: unknown) => {
        this.#stale = true;
        const what = 'MCP server does not list its tools again; the old list stays';
        this.#deps.log.warn({ server: this.#name, error: thrownMessage(error) }, what);
      })
      .finally(() => {
        this.#refreshing = undefined;
      });
    return this.#refreshing;
  }
}

function sameBlocked(a: ToolCatalogue, b: ToolCatalogue): boolean {
  const of = ({ blocked }: ToolCatalogue) =>
    JSON.stringify(blocked.map(({ tool, reason, digest }) => [tool, reason, digest]));
  return of(a) === of(b);
}
