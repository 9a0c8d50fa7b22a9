import { defineConfig } from 'vitest/config';

/** One project per kind of test; what a kind needs (a server, Docker, root) is decided in test/run.ts. */
const project = (name: string, options: { testTimeout?: number; fileParallelism?: boolean } = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout: 30_000, hookTimeout: 120_000, ...options },
});

export default defineConfig({
  test: {
    projects: [
      project('unit'),
      project('conformance', { testTimeout: 60_000 }),
      project('integration', { testTimeout: 120_000 }),
      project('e2e', { testTimeout: 180_000, fileParallelism: false }),
      project('fault', { testTimeout: 300_000, fileParallelism: false }),
    ],
  },
});
