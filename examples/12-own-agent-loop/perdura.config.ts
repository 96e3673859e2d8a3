/** An agent with an MCP server, and with a tool that has an effect in the world. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig, tool } from 'perdura';
import { recordEffect } from 'perdura/testing';
import { z } from 'zod';

const require = createRequire(import.meta.url);

const pay = tool({
  name: 'pay',
  description: 'Pays an invoice.',
  parameters: z.object({ invoice: z.string() }),
  // The ledger is sent the same key by every attempt of a call, and pays once.
  effect: 'keyed',
  async execute({ invoice }, { idempotencyKey: key, signal }) {
    // The first request is carried out and never answered: time to kill who asked.
    const request = { key, keyed: true, holdFirst: true, label: invoice };
    await recordEffect(process.env.LEDGER_URL ?? '', request, signal);
    return `Invoice ${invoice} is paid.`;
  },
});

export default defineConfig({
  agents: [{ name: 'clerk', instructions: 'You settle invoices.', mcp: ['files'] }],
  tools: [pay],
  mcp: {
    files: {
      command: process.execPath,
      args: [
        require.resolve('@modelcontextprotocol/server-filesystem/dist/index.js'),
        fileURLToPath(new URL('./invoices', import.meta.url)),
      ],
      tools: ['read_text_file'],
      effect: 'read',
    },
  },
});
