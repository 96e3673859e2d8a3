/**
 * The demo's agent: reads files through the filesystem MCP server, and files what it found
 * with a tool that has an effect. `npm run demo` sets DEMO_FOLDER and DEMO_LEDGER.
 */
import { createRequire } from 'node:module';
import { defineConfig, tool } from 'perdura';
import { recordEffect } from 'perdura/testing';
import { z } from 'zod';

const folder = process.env.DEMO_FOLDER ?? new URL('./folder', import.meta.url).pathname;
const ledger = process.env.DEMO_LEDGER ?? '';
const require = createRequire(import.meta.url);

const recordFinding = tool({
  name: 'record_finding',
  description: 'Files a finding in the ledger. Call it once, before you answer.',
  parameters: z.object({ finding: z.string().describe('What you found, in one sentence.') }),
  // The ledger knows the keys that it has seen, so a retry does no harm.
  effect: 'keyed',
  timeoutMs: 30_000,
  async execute({ finding }, { idempotencyKey, signal }) {
    await recordEffect(
      ledger,
      // The first request is never answered: here the demo kills the worker.
      { key: idempotencyKey, keyed: true, holdFirst: true, label: finding.slice(0, 60) },
      signal,
    );
    return 'Recorded.';
  },
});

export default defineConfig({
  agents: [
    {
      name: 'assistant',
      instructions:
        'You answer questions about the files that your tools can reach. Look at the files; do not guess. ' +
        'Before your final answer, call record_finding once with the essence of it. Be brief.',
      tools: ['record_finding'],
      mcp: ['files'],
    },
  ],
  tools: [recordFinding],
  mcp: {
    files: {
      command: process.execPath,
      args: [require.resolve('@modelcontextprotocol/server-filesystem/dist/index.js'), folder],
      effect: 'read',
    },
  },
});
