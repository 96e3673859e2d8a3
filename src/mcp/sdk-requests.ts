/**
 * Requests to an MCP server through the SDK's client: a deadline that progress extends,
 * cancellation, and what went wrong in our own types. Knows no method of MCP beside `ping`.
 */
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpError } from '@modelcontextprotocol/sdk/types.js';
import type { z } from 'zod';
import { PerduraError } from '../contracts/failures.js';
import { markNotStarted } from '../tools/not-started.js';
import { thrownMessage } from '../tools/text.js';
import type { McpCallOptions } from './mcp-connection.js';

/** Longest timer of Node, ms. The SDK's own deadline is set to it: ours knows why it fired. */
const LONGEST_TIMER = 2 ** 31 - 1;
/** The connection was refused or its address unknown: no byte of the request has arrived. */
const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

export interface SdkRequestEvents {
  /** The server answered in a way that only a new connection mends: close this one. */
  abandon(why: string): void;
  /** A deadline has passed, the `inARow`th since something was heard. */
  missed(inARow: number): void;
}

export class SdkRequests {
  readonly #name: string;
  readonly #client: Client;
  readonly #on: SdkRequestEvents;
  #lost: string | undefined;
  #open = 0;
  /** Answers and progress, so far. */
  #heard = 0;
  /** Deadlines that have passed since something was heard. */
  #missed = 0;

  constructor(name: string, client: Client, on: SdkRequestEvents) {
    this.#name = name;
    this.#client = client;
    this.#on = on;
  }

  /** Requests are waiting for answers. */
  get busy(): boolean {
    return this.#open > 0;
  }

  /** Why nothing can be sent any more. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /** The connection is gone: what is open fails with this reason. */
  lose(reason: string): void {
    this.#lost ??= reason;
  }

  /** Rejects as {@link McpConnection} says. `ms` counts from the last progress. */
  async send<T>(
    method: string,
    params: Record<string, unknown>,
    schema: z.ZodType<T>,
    ms: number,
    options: McpCallOptions = {},
  ): Promise<T> {
    if (this.#lost !== undefined) throw markNotStarted(this.#unavailable(this.#lost));
    options.signal?.throwIfAborted();
    // A controller for this request alone: the SDK never takes its listener off a signal again.
    const control = new AbortController();
    let timedOut = false;
    let timer: NodeJS.Timeout | undefined;
    const arm = () => {
      clearTimeout(timer);
      timer = setTimeout(
        () => {
          timedOut = true;
          control.abort(`no answer within ${Math.round(ms)} ms`);
        },
        Math.min(ms, LONGEST_TIMER),
      );
    };
    const interrupt = () => control.abort('interrupted');
    options.signal?.addEventListener('abort', interrupt, { once: true });
    this.#open++;
    arm();
    try {
      const answer = await this.#client.request({ method, params }, schema, {
        signal: control.signal,
        timeout: LONGEST_TIMER,
        ...(options.onProgress
          ? {
              onprogress: ({ progress, total, message }) => {
                arm();
                this.#hear();
                const fraction = total !== undefined && total > 0 ? progress / total : undefined;
                options.onProgress?.(
                  message ?? `${progress}${total ? ` of ${total}` : ''}`,
                  fraction,
                );
              },
            }
          : {}),
      });
      this.#hear();
      return answer;
    } catch (error) {
      if (timedOut) {
        this.#on.missed(++this.#missed);
        throw new PerduraError(
          'Mcp.Timeout',
          `MCP server "${this.#name}" did not answer ${method} within ${Math.round(ms)} ms.`,
        );
      }
      options.signal?.throwIfAborted();
      throw this.#translated(error, method);
    } finally {
      this.#open--;
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', interrupt);
    }
  }

  /** Whether the server answers at all: an error is an answer, and so is that of another request. */
  async ping(ms: number): Promise<boolean> {
    const signal = AbortSignal.timeout(ms);
    const heard = this.#heard;
    return this.#client.ping({ signal, timeout: LONGEST_TIMER }).then(
      () => true,
      (error: unknown) =>
        this.#lost === undefined &&
        (this.#heard > heard || (error instanceof McpError && !signal.aborted)),
    );
  }

  #hear(): void {
    this.#heard++;
    this.#missed = 0;
  }

  #translated(error: unknown, method: string): Error {
    // First: the SDK reports a lost connection as an MCP error with a code that servers may use too.
    if (this.#lost !== undefined) return this.#unavailable(this.#lost);
    if (error instanceof McpError) {
      this.#hear();
      return new Error(error.message);
    }
    if (error instanceof StreamableHTTPError) {
      const refused = this.#unavailable(error.message);
      const { code } = error;
      // 404, and 400 of some servers: it was started again and does not know our session.
      if (code === 404 || (code === 400 && /session/i.test(error.message)))
        this.#on.abandon('it has forgotten the session');
      return code !== undefined && code >= 400 && code < 500 ? markNotStarted(refused) : refused;
    }
    if (isZodError(error)) {
      return new Error(
        `MCP server "${this.#name}" answered ${method} with what is no valid MCP result.`,
      );
    }
    const cause = error instanceof Error ? error.cause : undefined;
    const lost = this.#unavailable(thrownMessage(cause ?? error));
    this.#on.abandon(thrownMessage(cause ?? error));
    const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : '';
    const never = NEVER_SENT.has(String(code)) || thrownMessage(error) === 'Not connected';
    return never ? markNotStarted(lost) : lost;
  }

  #unavailable(reason: string): PerduraError {
    return new PerduraError(
      'Mcp.Unavailable',
      `MCP server "${this.#name}" is not available: ${reason}.`,
    );
  }
}

function isZodError(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    Array.isArray((error as { issues?: unknown }).issues)
  );
}
