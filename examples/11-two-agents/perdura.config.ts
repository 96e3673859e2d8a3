/** Two agents with a view of their own. */
import { defineConfig } from 'perdura';

export default defineConfig({
  agents: [
    { name: 'optimist', instructions: 'You say what speaks for it.' },
    { name: 'sceptic', instructions: 'You say what speaks against it.' },
  ],
});
