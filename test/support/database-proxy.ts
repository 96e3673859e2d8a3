/**
 * A proxy in front of PostgreSQL that can take it away in two ways, and knows what crosses it.
 * A test names a place by what is on the wire ("the write of this tool's result"), holds every
 * connection that comes to it, and strikes while they stand there: no clock decides.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What a hold is for: answers a name for a message that is to stand still, `undefined` otherwise. */
export type Match = (message: string) => string | undefined;

export class DatabaseProxy {
  readonly url: string;
  /** Connections refused since the last {@link refuse}. */
  refused = 0;
  readonly #server: Server;
  readonly #links: Set<Link>;
  readonly #holds = new Set<Hold>();
  #refusing = false;

  private constructor(url: string, server: Server, links: Set<Link>) {
    this.url = url;
    this.#server = server;
    this.#links = links;
  }

  static async before(databaseUrl: string): Promise<DatabaseProxy> {
    const target = new URL(databaseUrl);
    const links = new Set<Link>();
    const server = createServer((client) => proxy.#accept(client, target));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(databaseUrl);
    url.hostname = '127.0.0.1';
    url.port = String((server.address() as AddressInfo).port);
    const proxy = new DatabaseProxy(url.href, server, links);
    return proxy;
  }

  get isRefusing(): boolean {
    return this.#refusing;
  }

  /** Cuts every connection, and refuses new ones until {@link pass}. */
  refuse(): void {
    this.#refusing = true;
    this.refused = 0;
    for (const link of this.#links) link.cut();
  }

  /**
   * What a failover or a NAT leaves behind: the connections of this moment stay open, and nothing
   * that is sent on them arrives, in either direction. New ones work.
   */
  silence(): void {
    for (const link of this.#links) link.silence();
  }

  /** New connections are let in again. A connection that went silent stays silent. */
  pass(): void {
    this.#refusing = false;
  }

  /**
   * Stops connections at a message that `match` names, each name once. At `request` PostgreSQL
   * has not seen the message; at `reply` it has carried it out, and its answer does not arrive.
   */
  hold(match: Match, at: 'request' | 'reply'): Hold {
    const hold: Hold = new Hold(match, at, () => {
      this.#holds.delete(hold);
      for (const link of this.#links) link.release(hold);
    });
    this.#holds.add(hold);
    return hold;
  }

  async close(): Promise<void> {
    this.refuse();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket, target: URL): void {
    if (this.#refusing) {
      this.refused += 1;
      client.on('error', () => undefined).destroy();
      return;
    }
    const upstream = connect(Number(target.port), target.hostname);
    const link = new Link(client, upstream, (message) => {
      for (const hold of this.#holds) if (hold.takes(message)) return hold;
      return undefined;
    });
    this.#links.add(link);
    client.on('close', () => this.#links.delete(link));
  }
}

/** Connections that stand still at one place. */
export class Hold {
  readonly at: 'request' | 'reply';
  readonly #match: Match;
  readonly #release: () => void;
  readonly #names = new Set<string>();
  #waiting: (() => void)[] = [];

  constructor(match: Match, at: 'request' | 'reply', release: () => void) {
    this.#match = match;
    this.at = at;
    this.#release = release;
  }

  /** What stands here, by name. */
  get held(): readonly string[] {
    return [...this.#names];
  }

  takes(message: string): boolean {
    const name = this.#match(message);
    if (name === undefined || this.#names.has(name)) return false;
    this.#names.add(name);
    for (const resolve of this.#waiting.splice(0)) resolve();
    return true;
  }

  /** Resolves when so many stand here. */
  async until(count: number): Promise<void> {
    while (this.#names.size < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Lets what stands here go on, and holds nothing any more. */
  release(): void {
    this.#release();
  }
}

/** One connection. The client's side is read message by message (PostgreSQL manual, 54.7). */
class Link {
  readonly #client: Socket;
  readonly #upstream: Socket;
  readonly #stops: (message: string) => Hold | undefined;
  #unread: Buffer = Buffer.alloc(0);
  #started = false;
  #silent = false;
  #held: Hold | undefined;
  /** What waits for the hold: towards the server, or towards the client. */
  #waiting: Buffer[] = [];

  constructor(client: Socket, upstream: Socket, stops: (message: string) => Hold | undefined) {
    this.#client = client;
    this.#upstream = upstream;
    this.#stops = stops;
    client.on('data', (chunk: Buffer) => this.#fromClient(chunk));
    upstream.on('data', (chunk: Buffer) => this.#fromServer(chunk));
    // What breaks on one side is closed on the other; nobody else has to hear of it.
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => {
      if (!this.#silent) client.destroy();
    });
  }

  cut(): void {
    this.#client.destroy();
  }

  silence(): void {
    this.#silent = true;
    this.#waiting = [];
  }

  release(hold: Hold): void {
    if (this.#held !== hold) return;
    this.#held = undefined;
    const to = hold.at === 'request' ? this.#upstream : this.#client;
    for (const chunk of this.#waiting.splice(0)) to.write(chunk);
  }

  #fromClient(chunk: Buffer): void {
    if (this.#silent) return;
    this.#unread = Buffer.concat([this.#unread, chunk]);
    for (let message = this.#next(); message; message = this.#next()) {
      this.#held ??= this.#stops(message.toString('latin1'));
      if (this.#held?.at === 'request') this.#waiting.push(message);
      else this.#upstream.write(message);
    }
  }

  #fromServer(chunk: Buffer): void {
    if (this.#silent) return;
    if (this.#held?.at === 'reply') this.#waiting.push(chunk);
    else this.#client.write(chunk);
  }

  /** A type (absent in the first message) and a length that counts itself. */
  #next(): Buffer | undefined {
    const head = this.#started ? 1 : 0;
    if (this.#unread.length < head + 4) return undefined;
    const length = head + this.#unread.readInt32BE(head);
    if (this.#unread.length < length) return undefined;
    const message = this.#unread.subarray(0, length);
    this.#unread = this.#unread.subarray(length);
    this.#started = true;
    return message;
  }
}
