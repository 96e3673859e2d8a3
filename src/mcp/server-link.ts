/**
 * One MCP server over time: opens a connection when somebody needs it, opens another when it
 * got lost. One connection carries all calls. A server that hangs holds up nobody but whoever
 * calls it. What it lists is in `server-tool-list.ts`.
 */
import { PerduraError } from '../contracts/failures.js';
import type { McpPins, McpServer } from '../contracts/mcp.js';
import type { Tool, ToolContext, ToolLogger } from '../contracts/tool.js';
import { markNotStarted, wasNotStarted } from '../tools/not-started.js';
import { thrownMessage } from '../tools/text.js';
import { Backoff } from './backoff.js';
import type { McpCallOptions, McpConnect, McpConnection, McpToolInfo } from './mcp-connection.js';
import { contentOf } from './mcp-results.js';
import { deadlinesOf } from './mcp-tools.js';
import { ServerToolList } from './server-tool-list.js';
import { refuse, type BlockedTool } from './tool-catalogue.js';
import { toolDigest } from './tool-pins.js';

/** `idle`: not asked for yet, or lost and not asked for since. */
export type McpServerState = 'idle' | 'connecting' | 'ready' | 'failed' | 'closed';

export interface McpServerStatus {
  readonly server: string;
  readonly state: McpServerState;
  /** Tools that models are offered, those for resources and prompts included. */
  readonly tools: number;
  /** Names of the tools that changed since they were accepted. */
  readonly changed: readonly string[];
  /** All tools that are held back, and why. */
  readonly blocked: readonly BlockedTool[];
  readonly warnings: readonly string[];
  readonly lastError?: string;
  /** Process id of a stdio server that runs. */
  readonly pid?: number;
}

export interface ServerLinkDeps {
  readonly pins: McpPins;
  readonly log: ToolLogger;
  readonly connect: McpConnect;
  /** What the server offers may have changed. */
  readonly onToolsChanged: () => void;
}

export class McpServerLink {
  readonly #name: string;
  readonly #server: McpServer;
  readonly #deps: ServerLinkDeps;
  readonly #list: ServerToolList;
  readonly #backoff = new Backoff();
  /** Of a server that starts and then hangs, until it has answered a call. */
  readonly #hangs = new Backoff();
  readonly #closing = new AbortController();
  #state: McpServerState = 'idle';
  #connection: McpConnection | undefined;
  #opening: Promise<McpConnection> | undefined;
  #lastError: string | undefined;

  constructor(name: string, server: McpServer, deps: ServerLinkDeps) {
    this.#name = name;
    this.#server = server;
    this.#deps = deps;
    this.#list = new ServerToolList(name, server, {
      pins: deps.pins,
      log: deps.log,
      call: (info, digest, args, context) => this.#call(info, digest, args, context),
      withConnection: (use, context) => this.#use(use, context),
      onChanged: deps.onToolsChanged,
    });
  }

  /**
   * The tools to offer; none while the server cannot be reached. Waits for a server that was
   * never tried or got lost, not for one that failed before: that is tried in the background.
   * Rejects only with what the pins reject with.
   */
  async tools(tenant?: string): Promise<readonly Tool[]> {
    if (this.#backoff.failing) {
      void this.#ready().catch(() => {});
      return [];
    }
    const connection = await this.#ready().catch(() => undefined);
    if (!connection) return [];
    this.#list.refreshIfStale(connection);
    return (await this.#list.judged(tenant)).offered;
  }

  /**
   * A tool by the name that models call, held back or not. Rejects when the server cannot be
   * reached and was never listed.
   */
  async tool(toolName: string, tenant?: string): Promise<Tool | undefined> {
    if (!this.#list.known) await this.#ready();
    return (await this.#list.judged(tenant)).callable.get(toolName);
  }

  /** Pins what is listed now, of the tools named or all that are held back; returns their names. */
  async accept(names?: readonly string[], tenant?: string): Promise<readonly string[]> {
    if (!this.#list.known) await this.#ready();
    const { blocked } = await this.#list.judged(tenant);
    const accepted = blocked.filter(
      ({ tool, reason }) => reason !== 'unusable' && (names?.includes(tool) ?? true),
    );
    for (const { tool, digest } of accepted) {
      await this.#deps.pins.accept(this.#name, tool, digest, tenant);
    }
    this.#list.judgeAgain();
    await this.#list.judged(tenant);
    if (accepted.length > 0) this.#deps.onToolsChanged();
    return accepted.map(({ tool }) => tool);
  }

  /** Why the server contributes nothing now; undefined where it does, or was not asked yet. */
  get away(): string | undefined {
    // Also while it is tried again in the background: nobody waits for that.
    const failing = this.#backoff.failing || (!this.#connection && this.#hangs.failing);
    return failing ? (this.#lastError ?? 'It cannot be reached.') : undefined;
  }

  status(): McpServerStatus {
    const { offered = [], blocked = [] } = this.#list.catalogue ?? {};
    const pid = this.#connection?.pid;
    return {
      server: this.#name,
      state: this.#state,
      tools: this.#state === 'ready' ? offered.length : 0,
      changed: blocked.filter(({ reason }) => reason === 'changed').map(({ tool }) => tool),
      blocked,
      warnings: this.#list.warnings,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
      ...(pid === undefined ? {} : { pid }),
    };
  }

  /** Resolves when no process of the server is left. */
  async close(): Promise<void> {
    this.#state = 'closed';
    this.#closing.abort();
    await this.#opening?.catch(() => {});
    await this.#connection?.close();
    this.#connection = undefined;
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** An open connection whose tools are listed. Rejects with an error marked as not started. */
  async #ready(): Promise<McpConnection> {
    if (this.#closed) throw this.#unavailable('it was removed, or the worker ends.');
    if (this.#connection) return this.#connection;
    if (this.#opening) return this.#opening;
    const wait = Math.max(this.#backoff.remainingMs(), this.#hangs.remainingMs());
    if (wait > 0) {
      throw this.#unavailable(`${this.#lastError} It is tried again in ${wait} ms.`, wait);
    }
    this.#state = 'connecting';
    this.#opening = this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<McpConnection> {
    let connection: McpConnection | undefined;
    const end = () => void connection?.close();
    this.#closing.signal.addEventListener('abort', end);
    try {
      connection = await this.#deps.connect(this.#name, this.#server, deadlinesOf(this.#server), {
        log: this.#deps.log,
        signal: this.#closing.signal,
        onToolsChanged: () => this.#list.announce(this.#connection),
        onLost: (reason, hung) => this.#lose(connection, reason, hung),
      });
      await this.#list.fetch(connection);
      if (this.#closed) throw this.#unavailable('it was removed, or the worker ends.');
      if (connection.lost) throw this.#unavailable('the connection was lost again at once.');
      this.#connection = connection;
      this.#state = 'ready';
      this.#lastError = undefined;
      if (this.#backoff.failing) this.#deps.onToolsChanged();
      this.#backoff.succeeded();
      return connection;
    } catch (error) {
      await connection?.close();
      if (!this.#closed) {
        this.#state = 'failed';
        this.#backoff.failed();
        this.#noteError(error, 'MCP server cannot be used');
      }
      throw error instanceof PerduraError
        ? markNotStarted(error)
        : this.#unavailable(thrownMessage(error));
    } finally {
      this.#closing.signal.removeEventListener('abort', end);
    }
  }

  async #call(
    info: McpToolInfo,
    digest: string,
    args: Record<string, unknown>,
    context: ToolContext,
  ): Promise<unknown> {
    return this.#use(async (connection, options) => {
      await this.#list.settle(connection);
      const now = this.#list.find(info.name);
      if (!now)
        throw new Error(`MCP server "${this.#name}" no longer has the tool "${info.name}".`);
      if (toolDigest(now) !== digest) {
        const { blocked } = await this.#list.judged(context.tenant);
        const block = blocked.find(({ tool }) => tool === info.name);
        if (block) refuse(this.#name, block);
      }
      return contentOf(await connection.callTool(info.name, args, options));
    }, context);
  }

  /** Once more when the connection turned out to be dead before it was asked anything. */
  async #use<T>(
    use: (connection: McpConnection, options: McpCallOptions) => Promise<T>,
    context: ToolContext,
  ): Promise<T> {
    const options: McpCallOptions = {
      signal: context.signal,
      onProgress: (message, fraction) => context.progress(message, fraction),
    };
    const connection = await this.#ready();
    try {
      const answer = await use(connection, options);
      this.#hangs.succeeded();
      return answer;
    } catch (error) {
      if (!wasNotStarted(error) || !connection.lost || context.signal.aborted) throw error;
      this.#lose(connection, thrownMessage(error));
      return use(await this.#ready(), options);
    }
  }

  #lose(connection: McpConnection | undefined, reason: string, hung = false): void {
    if (!connection || this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#closed) return;
    if (hung) this.#hangs.failed();
    this.#state = 'idle';
    this.#noteError(new Error(reason), 'MCP connection lost; opened again at its next use');
  }

  #noteError(error: unknown, what: string): void {
    this.#lastError = thrownMessage(error);
    this.#deps.log.warn({ server: this.#name, error: this.#lastError }, what);
  }

  #unavailable(why: string, retryAfterMs?: number): PerduraError {
    const message = `MCP server "${this.#name}" is not available: ${why}`;
    return markNotStarted(new PerduraError('Mcp.Unavailable', message, { retryAfterMs }));
  }
}
