/** What an import of the built package loads, seen by a loader hook in a process of its own. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.js';

const run = promisify(execFile);

/** Writes the URL of each ES module; it runs on the thread of the hooks. */
const HOOKS = `
import { appendFileSync } from 'node:fs';
export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  // Not to a pipe: it takes no more than 64 KiB before somebody reads.
  appendFileSync(process.env.SEEN_MODULES, found.url + '\\n');
  return found;
}`;

/** Packages that `code` loads, as ES modules (by the hook) or as CommonJS (by the cache). */
async function packagesOf(code: string): Promise<Set<string>> {
  const program = `
    import { createRequire, register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(HOOKS)}));
    ${code}
    for (const file of Object.keys(createRequire(process.cwd() + '/').cache)) console.log(file);`;
  const seen = join(temporaryFolder(), `modules-${randomUUID()}`);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], {
    maxBuffer: 16 * 1024 * 1024,
    env: { ...process.env, SEEN_MODULES: seen },
  });
  const names = [
    ...`${await readFile(seen, 'utf8')}${stdout}`.matchAll(
      /\/node_modules\/((?:@[^/\n]+\/)?[^/\n]+)\/(?!.*node_modules)/g,
    ),
  ];
  return new Set(names.map(([, name = '']) => name));
}

/** The packages of model providers and of MCP, and Temporal's native worker. */
const HEAVY = ['openai', '@modelcontextprotocol/sdk', '@temporalio/worker'];

async function heavyOf(code: string): Promise<string[]> {
  const loaded = await packagesOf(code);
  return HEAVY.filter((name) => loaded.has(name));
}

describe('entry points', () => {
  it.each([
    'perdura',
    'perdura/workflow',
    'perdura/llm',
    'perdura/tools',
    'perdura/mcp',
    'perdura/context',
  ])('import: %s → no vendor package, no native worker', async (entry) => {
    expect(await heavyOf(`await import('${entry}');`)).toEqual([]);
  });

  it('import: the package root → Temporal client and PostgreSQL driver, so the check sees packages', async () => {
    const loaded = await packagesOf(`await import('perdura');`);
    expect([...loaded]).toEqual(expect.arrayContaining(['@temporalio/client', 'pg', 'zod']));
  });

  it('import: perdura/worker → the native worker, still no vendor package', async () => {
    expect(await heavyOf(`await import('perdura/worker');`)).toEqual(['@temporalio/worker']);
  });

  it('first client: createLLMClient → loads openai alone', async () => {
    const code = `
      const { createLLMClient } = await import('perdura/llm');
      const provider = { api: 'chat', baseUrl: 'http://127.0.0.1:1/v1', apiKey: 'x', stallTimeoutMs: 1e3 };
      const call = { signal: AbortSignal.timeout(5e3), onDelta() {}, stallTimeoutMs: 1e3 };
      const request = { model: 'm', messages: [], tools: [] };
      await createLLMClient(provider).complete(request, call).catch(() => undefined);`;
    expect(await heavyOf(code)).toEqual(['openai']);
  });

  it('first connection: MCPClientManager → loads the MCP SDK alone', async () => {
    const code = `
      const { MCPClientManager } = await import('perdura/mcp');
      const silent = { debug() {}, info() {}, warn() {}, error() {} };
      const pins = { load: async () => new Map(), pin: async (server, tool, digest) => digest, accept: async () => undefined };
      const server = { command: process.execPath, args: ['-e', ''] };
      const manager = new MCPClientManager({ gone: server }, { pins, log: silent });
      await manager.tools(['gone']);
      await manager.close();`;
    expect(await heavyOf(code)).toEqual(['@modelcontextprotocol/sdk']);
  });
});
