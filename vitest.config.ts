import { defineConfig } from 'vitest/config';

/** One project per kind of test, the quick ones first; what a test needs (Docker, root) it finds out and else is skipped. */
const project = (name: string, groupOrder: number, testTimeout: number, fileParallelism = true) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout,
    hookTimeout: 120_000,
    fileParallelism,
    sequence: { groupOrder },
  },
});

export default defineConfig({
  test: {
    // The reaper's image cannot be pulled everywhere, and every test removes its own containers.
    env: { TESTCONTAINERS_RYUK_DISABLED: 'true' },
    projects: [
      project('unit', 0, 30_000),
      project('conformance', 1, 60_000),
      project('integration', 2, 120_000),
      // These measure time or fill the machine: one file at a time.
      project('e2e', 3, 180_000, false),
      project('fault', 4, 300_000, false),
    ],
  },
});
