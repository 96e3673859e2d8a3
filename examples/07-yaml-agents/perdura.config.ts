/**
 * What needs code: tools, MCP servers, providers. Agents can be files in `agents/`, which is
 * found beside this one; they name tools, and describe none.
 */
import { defineConfig, tool } from 'perdura';
import { z } from 'zod';

const add = tool({
  name: 'add',
  description: 'Adds two numbers.',
  parameters: z.object({ a: z.number(), b: z.number() }),
  effect: 'read',
  run: 'local',
  execute: ({ a, b }) => a + b,
});

export default defineConfig({ tools: [add] });
