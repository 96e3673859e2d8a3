/**
 * An MCP server as a child process: JSON-RPC lines over its pipes, and its end. Replaces the
 * SDK's stdio transport, which knows nothing of the children of its child (`npx` starts a
 * shell that starts the server), does not wait for the end, and leaves a server that ignores
 * a closed stdin running when we are killed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ReadBuffer, serializeMessage } from '@modelcontextprotocol/sdk/shared/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import type { McpStdioServer } from '../contracts/mcp.js';

/** Largest message of a server, bytes: a tool output of 16 MiB as an image in base64. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;
/** A server has this long to end after its stdin is closed, then after SIGTERM, ms. */
const CLOSE_GRACE_MS = 500;
const TERM_GRACE_MS = 1_500;
/** What is kept of stderr for error messages, characters. */
const MAX_STDERR = 2_000;

/**
 * A shell leads a process group of its own: it starts the server, waits for it, and passes its
 * exit code on, so that nobody is left for an init process that a container may not have. A
 * watcher ends the group when our end of pipe 3 closes, so even when we are killed with -9.
 * SIGUSR1 kills the server alone, which the shell then clears away.
 */
const GUARD = `
trap : TERM INT HUP
exec 4<&0 </dev/null
( trap '' TERM INT HUP; read -r line; kill -s TERM 0; sleep 2; kill -s KILL 0 ) <&3 3<&- 4<&- >/dev/null 2>&1 &
watcher=$!
"$@" <&4 3<&- 4<&- &
server=$!
trap 'kill -s KILL "$server"' USR1
exec 3<&- 4<&- >/dev/null 2>&1
while :; do
  wait "$server"
  code=$?
  kill -s 0 "$server" || break
done
kill -s KILL "$watcher"
wait "$watcher"
exit "$code"
`;
const WINDOWS = process.platform === 'win32';

export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #server: McpStdioServer;
  readonly #buffer = new ReadBuffer({ maxBufferSize: MAX_MESSAGE_BYTES });
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();
  #ended = '';
  #stderr = '';

  constructor(server: McpStdioServer) {
    this.#server = server;
  }

  /** Leader of the process group, once started. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** How the process ended and the end of what it said; empty while it runs. */
  get ended(): string {
    const said = this.#stderr.trim();
    return this.#ended && said ? `${this.#ended}; it said: ${said}` : this.#ended;
  }

  async start(): Promise<void> {
    const { command, args = [], env, cwd } = this.#server;
    const words = ['-c', GUARD, 'perdura-mcp', command, ...args];
    const child = spawn(WINDOWS ? command : '/bin/sh', WINDOWS ? args : words, {
      env: { ...getDefaultEnvironment(), ...env },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      detached: !WINDOWS,
      windowsHide: true,
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#child = child;
    this.#gone = new Promise((resolve) => {
      const end = (how: string) => {
        if (this.#ended) return;
        this.#ended = how;
        // What the server left behind in its group, the watcher included.
        this.#signal('SIGKILL');
        this.onclose?.();
        resolve();
      };
      child.once('error', (error) => end(`it could not be started (${error.message})`));
      // "close" comes after the last output; a grandchild that holds the pipes may delay it.
      child.once('close', (code, signal) => end(endOf(code, signal)));
      child.once('exit', (code, signal) => {
        this.#signal('SIGKILL');
        setTimeout(() => end(endOf(code, signal)), 200);
      });
    });
    for (const pipe of [...child.stdio]) pipe?.on('error', (error) => this.onerror?.(error));
    child.stdout.on('data', (chunk: Buffer) => this.#read(chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-MAX_STDERR);
    });
    if (child.pid === undefined) {
      await this.#gone;
      throw new Error(this.#ended);
    }
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#child?.stdin;
    if (!stdin || this.#ended || !stdin.writable) throw new Error('Not connected');
    // Not waiting for "drain": a server that reads nothing must not hold what we do next; its
    // calls end at their deadlines.
    stdin.write(serializeMessage(message));
  }

  /** Resolves when every process of the server is gone. With `atOnce` it is not asked first. */
  async close(atOnce = false): Promise<void> {
    const child = this.#child;
    if (!child || this.#ended) return;
    if (!atOnce) {
      child.stdin!.end();
      if (await this.#goneWithin(CLOSE_GRACE_MS)) return;
      this.#signal('SIGTERM');
      if (await this.#goneWithin(TERM_GRACE_MS)) return;
    }
    this.#killServer();
    await this.#gone;
  }

  #read(chunk: Buffer): void {
    try {
      this.#buffer.append(chunk);
    } catch (error) {
      this.onerror?.(error as Error);
      void this.close(true);
      return;
    }
    for (;;) {
      try {
        const message = this.#buffer.readMessage();
        if (message === null) return;
        this.onmessage?.(message);
      } catch (error) {
        // A line that is no message: servers print to stdout what belongs to stderr.
        this.onerror?.(error as Error);
      }
    }
  }

  async #goneWithin(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const gone = await Promise.race([this.#gone.then(() => true), late]);
    clearTimeout(timer);
    return gone;
  }

  /** When its shell is gone, the group gets SIGKILL as well. */
  #killServer(): void {
    if (WINDOWS) this.#child?.kill('SIGKILL');
    else this.#child?.kill('SIGUSR1');
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      if (WINDOWS) this.#child?.kill(signal);
      else process.kill(-pid, signal);
    } catch {
      // ESRCH: the group is gone already.
    }
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal) return `its process was ended by ${signal}`;
  // The shell's way of saying that the server was ended by a signal.
  if (code !== null && code > 128) return `its process was ended by signal ${code - 128}`;
  return code === 127
    ? 'its command was not found (exit code 127)'
    : `its process ended with exit code ${code}`;
}
