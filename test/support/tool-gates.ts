/**
 * Gates that tools pass on their way: a tool in another process says where it is, and goes on
 * when the test lets it. So a fault strikes between a tool's effect and its record, and not
 * some milliseconds before or behind.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** `entered`: the tool runs, and has done nothing. `effected`: it has taken effect. */
export type GateName = 'entered' | 'effected';

export class ToolGates {
  /** When a tool went away from a closed gate, ms since the epoch, by who it was. */
  readonly left = new Map<string, number>();
  readonly #server: Server;
  readonly #standing = new Map<string, ServerResponse>();
  readonly #passed = new Set<string>();
  #closed: GateName | undefined;
  #waiting: (() => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<ToolGates> {
    const server = createServer((request, response) => void gates.#arrive(request, response));
    const gates = new ToolGates(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return gates;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Who stands at the closed gate. */
  get standing(): readonly string[] {
    return [...this.#standing.keys()];
  }

  /** Closes a gate: whoever comes for the first time stands there until {@link open}. */
  close(name: GateName): void {
    this.#closed = name;
  }

  open(): void {
    this.#closed = undefined;
    for (const response of this.#standing.values()) response.end();
    this.#standing.clear();
  }

  /** Resolves when so many stand at the closed gate. */
  async until(count: number): Promise<void> {
    while (this.#standing.size < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #arrive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const who = decodeURIComponent(request.url!.split('/').at(-1)!);
    const gate = request.url!.split('/').at(-2)!;
    request.resume();
    const once = `${gate} ${who}`;
    if (this.#closed !== gate || this.#passed.has(once)) {
      response.end();
      return;
    }
    this.#passed.add(once);
    this.#standing.set(who, response);
    response.on('close', () => {
      if (!response.writableEnded) this.left.set(who, Date.now());
    });
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Called by a tool: waits until the gate is open. */
export async function passGate(
  url: string,
  gate: GateName,
  who: string,
  signal: AbortSignal,
): Promise<void> {
  const response = await fetch(`${url}/${gate}/${encodeURIComponent(who)}`, {
    method: 'POST',
    signal,
  });
  await response.text();
}
