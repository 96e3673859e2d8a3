/**
 * {@link McpConnection} over the TypeScript SDK 1.x, stdio and Streamable HTTP. The only file
 * beside its transport and schemas that imports the SDK.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import type { z } from 'zod';
import { PerduraError } from '../contracts/failures.js';
import type { McpDeadlines, McpServer } from '../contracts/mcp.js';
import type {
  McpCallOptions,
  McpCallResult,
  McpConnect,
  McpConnection,
  McpConnectionHooks,
  McpPromptInfo,
  McpPromptMessage,
  McpResourceContents,
  McpResourceInfo,
  McpToolInfo,
} from './mcp-connection.js';
import {
  CallResult,
  PromptPage,
  PromptResult,
  ReadResult,
  ResourcePage,
  TemplatePage,
  ToolPage,
  toolInfoOf,
} from './mcp-schemas.js';
import { SdkRequests } from './sdk-requests.js';
import { StdioTransport } from './stdio-transport.js';
import { markNotStarted } from '../tools/not-started.js';
import { thrownMessage } from '../tools/text.js';

/** Pages and items of one list: a server that never ends its list must not fill our memory. */
const MAX_PAGES = 100;
const MAX_ITEMS = 2_000;
/** Deadlines in a row, with nothing heard between, after which a server that answers pings hangs. */
const MAX_MISSED = 3;
/** How long an HTTP server may take to hear that its session is over, ms. */
const GOODBYE_MS = 1_000;
/** What the SDK says of a stream that it cannot go on with; the request itself just stays open. */
const STREAM_LOST = /SSE stream disconnected|Maximum reconnection attempts|Failed to reconnect/;

/** Opens a connection with the SDK; see {@link McpConnect}. */
export const connectWithSdk: McpConnect = async (name, server, deadlines, hooks) => {
  const connection = new SdkConnection(name, server, deadlines, hooks);
  await connection.open();
  return connection;
};

class SdkConnection implements McpConnection {
  readonly #client = new Client({ name: 'perdura', version: '0.1.0' }, { capabilities: {} });
  readonly #transport: StdioTransport | StreamableHTTPClientTransport;
  readonly #requests: SdkRequests;
  readonly #name: string;
  readonly #deadlines: McpDeadlines;
  readonly #hooks: McpConnectionHooks;
  #probing = false;
  #hung = false;

  constructor(name: string, server: McpServer, deadlines: McpDeadlines, hooks: McpConnectionHooks) {
    this.#name = name;
    this.#deadlines = deadlines;
    this.#hooks = hooks;
    this.#transport =
      'command' in server
        ? new StdioTransport(server)
        : new StreamableHTTPClientTransport(new URL(server.url), {
            requestInit: { headers: { ...server.headers } },
          });
    this.#requests = new SdkRequests(name, this.#client, {
      abandon: (why) => void this.#abandon(why),
      missed: (inARow) => this.#noteMissed(inARow),
    });
    this.#client.onerror = (error) => this.#noteError(error);
    this.#client.onclose = () => {
      const reason = this.#ended() || 'the connection was closed';
      this.#requests.lose(reason);
      hooks.onLost(reason, this.#hung);
    };
    this.#client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      hooks.onToolsChanged();
    });
  }

  async open(): Promise<void> {
    const { connectMs } = this.#deadlines;
    let timer: NodeJS.Timeout | undefined;
    let giveUp: (error: Error) => void = () => {};
    const late = new Promise<never>((_, reject) => {
      giveUp = reject;
      const message = `MCP server "${this.#name}" did not answer the handshake within ${connectMs} ms.`;
      timer = setTimeout(() => reject(new PerduraError('Mcp.Timeout', message)), connectMs);
    });
    // Handled here: nobody listens when the signal is aborted later.
    late.catch(() => {});
    const unwanted = () => giveUp(new Error('it is not wanted any more'));
    this.#hooks.signal.addEventListener('abort', unwanted, { once: true });
    try {
      this.#hooks.signal.throwIfAborted();
      // A cast: under exactOptionalPropertyTypes the SDK's own transports do not fit its interface.
      await Promise.race([this.#client.connect(this.#transport as Transport), late]);
    } catch (error) {
      const ended = this.#ended();
      await this.#abandon(thrownMessage(error));
      if (error instanceof PerduraError) throw markNotStarted(error);
      const why = ended || causeOf(error);
      throw markNotStarted(
        new PerduraError(
          'Mcp.Unavailable',
          `MCP server "${this.#name}" cannot be reached: ${why}.`,
          {
            cause: error,
          },
        ),
      );
    } finally {
      clearTimeout(timer);
      this.#hooks.signal.removeEventListener('abort', unwanted);
    }
  }

  get abilities(): McpConnection['abilities'] {
    const { tools, resources, prompts } = this.#client.getServerCapabilities() ?? {};
    return {
      tools: tools !== undefined,
      resources: resources !== undefined,
      prompts: prompts !== undefined,
      tellsOfTools: tools?.listChanged === true,
    };
  }

  get pid(): number | undefined {
    return this.#transport instanceof StdioTransport ? this.#transport.pid : undefined;
  }

  get lost(): boolean {
    return this.#requests.lost !== undefined;
  }

  async listTools(): Promise<{ tools: McpToolInfo[]; warnings: string[] }> {
    const tools: McpToolInfo[] = [];
    const warnings: string[] = [];
    const items = await this.#pages('tools/list', ToolPage, (page) => page.tools, {});
    for (const item of items) {
      const info = toolInfoOf(item);
      if (typeof info === 'string') warnings.push(info);
      else tools.push(info);
    }
    return { tools, warnings };
  }

  async callTool(name: string, args: unknown, options: McpCallOptions): Promise<McpCallResult> {
    const result = await this.#requests.send(
      'tools/call',
      { name, arguments: args },
      CallResult,
      this.#deadlines.callMs,
      options,
    );
    return {
      content: result.content,
      ...(result.structuredContent ? { structured: result.structuredContent } : {}),
      isError: result.isError === true,
    };
  }

  async listResources(options: McpCallOptions): Promise<McpResourceInfo[]> {
    const [resources, templates] = await Promise.all([
      this.#pages('resources/list', ResourcePage, (page) => page.resources, options),
      // Many servers have resources but have never heard of templates.
      this.#pages(
        'resources/templates/list',
        TemplatePage,
        (p) => p.resourceTemplates,
        options,
      ).catch((error: unknown) => {
        if (error instanceof PerduraError) throw error;
        return [];
      }),
    ]);
    return [
      ...resources.map((resource) => ({ ...resource, template: false })),
      ...templates.map(({ uriTemplate, ...rest }) => ({
        ...rest,
        uri: uriTemplate,
        template: true,
      })),
    ];
  }

  async readResource(uri: string, options: McpCallOptions): Promise<McpResourceContents[]> {
    const { callMs } = this.#deadlines;
    return (await this.#requests.send('resources/read', { uri }, ReadResult, callMs, options))
      .contents;
  }

  async listPrompts(options: McpCallOptions): Promise<McpPromptInfo[]> {
    return this.#pages('prompts/list', PromptPage, (page) => page.prompts, options);
  }

  async getPrompt(
    name: string,
    args: Readonly<Record<string, string>>,
    options: McpCallOptions,
  ): Promise<McpPromptMessage[]> {
    const params = { name, arguments: { ...args } };
    const { callMs } = this.#deadlines;
    return (await this.#requests.send('prompts/get', params, PromptResult, callMs, options))
      .messages;
  }

  async close(): Promise<void> {
    if (this.#transport instanceof StdioTransport) return this.#transport.close();
    const goodbye = this.#transport.terminateSession().catch(() => {});
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, GOODBYE_MS);
    });
    await Promise.race([goodbye, late]);
    clearTimeout(timer);
    await this.#abandon();
  }

  /** Closes without asking: for a server that has already shown that it does not answer. */
  async #abandon(why = 'the connection was closed'): Promise<void> {
    this.#requests.lose(this.#ended() || why);
    try {
      if (this.#transport instanceof StdioTransport) await this.#transport.close(true);
      else await this.#client.close();
    } catch (error) {
      this.#hooks.log.debug({ server: this.#name, error: thrownMessage(error) }, 'closing failed');
    }
  }

  /** All pages of a list, under one deadline for the whole. */
  async #pages<P extends { nextCursor?: string | undefined }, T>(
    method: string,
    schema: z.ZodType<P>,
    itemsOf: (page: P) => readonly T[],
    options: McpCallOptions,
  ): Promise<T[]> {
    const end = performance.now() + this.#deadlines.listMs;
    const items: T[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES && items.length < MAX_ITEMS; page++) {
      const left = Math.max(1, end - performance.now());
      const params = cursor === undefined ? {} : { cursor };
      const answer = await this.#requests.send(method, params, schema, left, options);
      items.push(...itemsOf(answer));
      if (answer.nextCursor === undefined || answer.nextCursor === cursor) break;
      cursor = answer.nextCursor;
    }
    return items.slice(0, MAX_ITEMS);
  }

  #ended(): string {
    return this.#transport instanceof StdioTransport ? this.#transport.ended : '';
  }

  #noteError(error: Error): void {
    this.#hooks.log.debug(
      { server: this.#name, error: thrownMessage(error) },
      'MCP protocol error',
    );
    if (this.#transport instanceof StdioTransport || !STREAM_LOST.test(error.message)) return;
    if (!this.#requests.busy) return;
    // The stream of a call broke, and the SDK would let the call wait for its deadline: when the
    // server does not answer a ping either, it is gone.
    this.#probe(() => this.#abandon('its stream broke and it does not answer'));
  }

  /** One slow call is the call's affair. A server that hangs is given up, with its process. */
  #noteMissed(inARow: number): void {
    const giveUp = () => {
      this.#hung = true;
      return this.#abandon('it does not answer');
    };
    if (inARow >= MAX_MISSED) void giveUp();
    else this.#probe(giveUp);
  }

  #probe(dead: () => Promise<void>): void {
    if (this.#probing || this.lost) return;
    this.#probing = true;
    void this.#requests
      .ping(this.#deadlines.connectMs)
      .then((alive) => (alive || this.lost ? undefined : dead()))
      .finally(() => {
        this.#probing = false;
      });
  }
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const message = thrownMessage(error);
  const more = cause === undefined ? '' : ` (${thrownMessage(cause)})`;
  return `${message}${more}`;
}
