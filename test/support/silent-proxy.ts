/**
 * A TCP proxy on loopback that can go silent, as a network does after a failover or when a NAT has
 * forgotten a connection: what is sent into it vanishes, nothing comes out, nobody is told. Modes are
 * switched at run time.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * What happens to connections. `pass`: they work. `silent`: those that are open and new ones go
 * silent for good. `refuse`: those that are open are reset, new ones refused.
 */
export type ProxyMode = 'pass' | 'silent' | 'refuse';

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket | undefined;
  silent: boolean;
}

export class SilentProxy {
  readonly port: number;
  /** Connections that were made since the mode was last changed, refused ones too. */
  made = 0;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Connections to the server whose clients have left without its hearing of it. */
  readonly #orphans = new Set<Socket>();
  #mode: ProxyMode = 'pass';

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async before(target: {
    readonly host: string;
    readonly port: number;
  }): Promise<SilentProxy> {
    const server = createServer((client) => proxy.#take(client, target));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new SilentProxy(server);
    return proxy;
  }

  /** Before the server of this URL. {@link urlOf} gives the URL through the proxy. */
  static beforeUrl(url: string): Promise<SilentProxy> {
    const { hostname, port } = new URL(url);
    return SilentProxy.before({ host: hostname, port: Number(port) });
  }

  /** The same URL, through the proxy. */
  urlOf(target: string): string {
    const url = new URL(target);
    url.hostname = '127.0.0.1';
    url.port = String(this.port);
    return url.href;
  }

  get mode(): ProxyMode {
    return this.#mode;
  }

  set mode(mode: ProxyMode) {
    this.#mode = mode;
    this.made = 0;
    if (mode === 'silent') this.silenceOpen();
    if (mode === 'refuse') this.#reset();
  }

  /** Connections that are open go silent for good; new ones are treated as the mode says. */
  silenceOpen(): number {
    let silenced = 0;
    for (const pair of this.#pairs) {
      if (!pair.silent) silenced += 1;
      pair.silent = true;
    }
    return silenced;
  }

  async close(): Promise<void> {
    this.mode = 'refuse';
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(client: Socket, { host, port }: { readonly host: string; readonly port: number }): void {
    this.made += 1;
    client.on('error', () => undefined);
    if (this.#mode === 'refuse') {
      client.destroy();
      return;
    }
    const silent = this.#mode === 'silent';
    const upstream = silent ? undefined : connect(port, host);
    const pair: Pair = { client, upstream, silent };
    this.#pairs.add(pair);
    // What a silent pair is sent is read and dropped: the sender believes that it arrives. Nor does
    // the server hear of a client that leaves.
    client.on('data', (data) => pair.silent || upstream?.write(data));
    client.on('close', () => {
      this.#pairs.delete(pair);
      if (!pair.silent) upstream?.destroy();
      else if (upstream) this.#orphans.add(upstream);
    });
    upstream?.on('error', () => undefined);
    upstream?.on('data', (data) => pair.silent || client.write(data));
    upstream?.on('close', () => pair.silent || client.destroy());
  }

  #reset(): void {
    for (const { client, upstream } of this.#pairs) {
      client.resetAndDestroy();
      upstream?.destroy();
    }
    for (const orphan of this.#orphans) orphan.destroy();
    this.#orphans.clear();
  }
}
