import { z } from 'zod';
import { defineConfig, tool } from 'perdura';

/** Two warehouses; the first one does not answer today. */
const STOCK: Readonly<Record<string, number>> = { bolts: 120, nuts: 80 };

const Stock = z.object({ item: z.string(), pieces: z.number() });

export default defineConfig({
  agents: [
    {
      name: 'assistant',
      instructions: 'You look after the stock.',
      planner: true,
      policy: { maxReplanAttempts: 2, preapprovedTools: [] },
    },
  ],
  tools: [
    tool({
      name: 'harbour_stock',
      description: 'How many pieces of an item are in the warehouse at the harbour.',
      effect: 'read',
      parameters: z.object({ item: z.string() }),
      yields: Stock,
      execute: ({ item }) => {
        throw new Error(`The warehouse at the harbour does not answer (${item}).`);
      },
    }),
    tool({
      name: 'city_stock',
      description: 'How many pieces of an item are in the warehouse in the city.',
      effect: 'read',
      parameters: z.object({ item: z.string() }),
      yields: Stock,
      cost: { usd: 0.01 },
      execute: ({ item }) => ({ item, pieces: STOCK[item] ?? 0 }),
    }),
    tool({
      name: 'add',
      description: 'Adds two numbers.',
      effect: 'read',
      run: 'local',
      parameters: z.object({ a: z.number(), b: z.number() }),
      execute: ({ a, b }) => a + b,
    }),
    tool({
      name: 'file_write',
      description: 'Writes a file.',
      parameters: z.object({ path: z.string(), text: z.string() }),
      execute: () => {
        throw new Error('The policy lets nobody get here.');
      },
    }),
  ],
});
