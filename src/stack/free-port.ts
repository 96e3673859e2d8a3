/** Ports of this machine, on the loopback address only. */
import { createServer } from 'node:net';

/** `wanted` when nothing listens on it, else a port that the system chooses. */
export async function freePort(wanted?: number): Promise<number> {
  if (wanted !== undefined && (await canListen(wanted)) !== undefined) return wanted;
  const port = await canListen(0);
  if (port === undefined) throw new Error('This machine has no free port on 127.0.0.1.');
  return port;
}

/** Whether something listens on 127.0.0.1 at `port` (or we may not: a port below 1024). */
export async function isTaken(port: number): Promise<boolean> {
  return (await canListen(port)) === undefined;
}

/** Whether a server's last words (of Go, Java or Node) are that someone else has its port. */
export function saysPortTaken(words: unknown): boolean {
  const text = words instanceof Error ? words.message : String(words);
  return /address already in use|EADDRINUSE/i.test(text);
}

function canListen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      const chosen = typeof address === 'object' && address ? address.port : undefined;
      server.close(() => resolve(chosen));
    });
  });
}
