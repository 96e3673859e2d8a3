/** What the MCP tests share: servers to start, pins in memory, a log that is kept. */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { McpPins, McpStdioServer } from '../../src/contracts/mcp.js';
import type { ToolLogger } from '../../src/contracts/tool.js';
import type { ToolContextParts } from '../../src/tools/tool-executor.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A real server from npm, by the last part of its package's name. */
export function npmServer(name: string, args: readonly string[] = []): McpStdioServer {
  const script = join(ROOT, `node_modules/@modelcontextprotocol/server-${name}/dist/index.js`);
  return { command: process.execPath, args: [script, ...args] };
}

/** A server of `test/fixtures/odd-mcp-server.mjs`, and what it ran, which is kept in `folder`. */
export function oddServerIn(
  folder: string,
  mode: string,
): McpStdioServer & { readonly ran: () => string[] } {
  const journal = join(folder, `journal-${randomUUID()}`);
  writeFileSync(journal, '');
  const script = join(ROOT, 'test/fixtures/odd-mcp-server.mjs');
  return {
    command: process.execPath,
    args: [script, mode, journal],
    ran: () => readFileSync(journal, 'utf8').trim().split('\n').filter(Boolean),
  };
}

export class InMemoryPins implements McpPins {
  readonly #digests = new Map<string, Map<string, string>>();

  async load(server: string, tenant = 'default'): Promise<ReadonlyMap<string, string>> {
    return new Map(this.#of(server, tenant));
  }

  async pin(server: string, tool: string, digest: string, tenant = 'default'): Promise<string> {
    const pins = this.#of(server, tenant);
    if (!pins.has(tool)) pins.set(tool, digest);
    return pins.get(tool) ?? digest;
  }

  async accept(server: string, tool: string, digest: string, tenant = 'default'): Promise<void> {
    this.#of(server, tenant).set(tool, digest);
  }

  #of(server: string, tenant: string): Map<string, string> {
    const name = `${tenant}/${server}`;
    const pins = this.#digests.get(name) ?? new Map<string, string>();
    this.#digests.set(name, pins);
    return pins;
  }
}

/** Keeps what is logged above debug. */
export class KeptLog implements ToolLogger {
  readonly lines: { level: string; fields: object; message: string | undefined }[] = [];
  debug(): void {}
  info = this.#keep('info');
  warn = this.#keep('warn');
  error = this.#keep('error');

  #keep(level: string) {
    return (fields: object, message?: string): void => {
      this.lines.push({ level, fields, message });
    };
  }
}

/** A place for a call, with the attempt that is to be played. */
export function placeOf(attempt = 1): ToolContextParts {
  return {
    tenant: 'default',
    session: 'test',
    agent: 'tester',
    turn: 1,
    step: 1,
    attempt,
    idempotencyKey: '0'.repeat(32),
    log: new KeptLog(),
  };
}

/**
 * Whether any process of the group runs. A zombie does not: it waits for an init process that
 * a container may not have. Linux only, like the containers that run this.
 */
export function groupAlive(leader: number): boolean {
  return readdirSync('/proc').some((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      // pid (name) state ppid pgrp …; the name may have spaces and parentheses.
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(group) === leader && state !== 'Z';
    } catch {
      return false;
    }
  });
}

/** Resolves when `condition` holds: it is looked at with every turn of the event loop's timers. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  ms = 10_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
