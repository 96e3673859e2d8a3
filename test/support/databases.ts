/** Databases of a test's own, and a way to take one away. */
import { randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import pg from 'pg';

/** An empty database beside the one of `admin`, whose user may create databases. */
export async function freshDatabase(
  admin: string,
): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await execute(admin, `create database ${name}`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => execute(admin, `drop database ${name} with (force)`) };
}

export async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

/** Stands before a database, which is down when the gate is: for whoever has the gate's URL. */
export class DatabaseGate {
  readonly url: string;
  /** Connections that were refused since the gate went down; 0 while it is up. */
  refused = 0;
  readonly #server;
  readonly #open: Set<Socket>;
  #down = false;

  private constructor(url: string, server: ReturnType<typeof createServer>, open: Set<Socket>) {
    this.url = url;
    this.#server = server;
    this.#open = open;
  }

  static async before(databaseUrl: string): Promise<DatabaseGate> {
    const target = new URL(databaseUrl);
    const open = new Set<Socket>();
    const keep = (socket: Socket) => {
      open.add(socket);
      // What breaks on one side is closed on the other; nobody else has to hear of it.
      socket.on('error', () => undefined).on('close', () => open.delete(socket));
    };
    const server = createServer((client) => {
      if (gate.#down) {
        gate.refused += 1;
        client.on('error', () => undefined).destroy();
        return;
      }
      const upstream = connect(Number(target.port), target.hostname);
      keep(client);
      keep(upstream);
      client.pipe(upstream).pipe(client);
      client.on('close', () => upstream.destroy());
      upstream.on('close', () => client.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(databaseUrl);
    url.hostname = '127.0.0.1';
    url.port = String((server.address() as AddressInfo).port);
    const gate = new DatabaseGate(url.href, server, open);
    return gate;
  }

  get isDown(): boolean {
    return this.#down;
  }

  /** Cuts every connection, in the middle of whatever it does, and lets none in. */
  down(): void {
    this.#down = true;
    for (const socket of this.#open) socket.destroy();
  }

  up(): void {
    this.#down = false;
    this.refused = 0;
  }

  async close(): Promise<void> {
    this.down();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
