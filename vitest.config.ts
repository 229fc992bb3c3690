import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/database/cluster.ts'],
    // Each file has a database of its own; two at once is what a small machine holds.
    maxWorkers: 2,
    // Ink draws nothing where it takes itself to be in CI, and its tests run there too.
    env: { CI: 'false' },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    fileParallelism: true,
  },
});
