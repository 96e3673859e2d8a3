import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/shared-stack.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores, a JVM and a PostgreSQL: more forks only make each other late.
    maxWorkers: 2,
    pool: 'forks',
  },
});
