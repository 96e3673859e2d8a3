/** Two real MCP servers. `PERDURA_CONFIG=examples/03-mcp/perdura.config.ts npx perdura dev` runs it too. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'perdura';

const require = createRequire(import.meta.url);
const serverOf = (name: string) =>
  require.resolve(`@modelcontextprotocol/server-${name}/dist/index.js`);

export default defineConfig({
  agents: [
    {
      name: 'assistant',
      instructions:
        'You answer from the notes of the harbour and from the handbook. Look; do not guess.',
      mcp: ['harbour', 'handbook'],
    },
  ],
  mcp: {
    harbour: {
      command: process.execPath,
      args: [serverOf('filesystem'), fileURLToPath(new URL('./notes', import.meta.url))],
      // Only these; what they do is known, so a call whose worker died is made again.
      tools: ['list_allowed_directories', 'list_directory', 'read_text_file'],
      effect: 'read',
    },
    handbook: {
      command: process.execPath,
      args: [serverOf('everything')],
      // Its resources, which are read with tools.
      tools: ['list_resources', 'read_resource'],
    },
  },
});
