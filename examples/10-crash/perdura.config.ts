/** An agent with a tool that has an effect in the world: a ledger in another process. */
import { defineConfig, tool } from 'perdura';
import { recordEffect } from 'perdura/testing';
import { z } from 'zod';

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

export default defineConfig({ tools: [pay] });
