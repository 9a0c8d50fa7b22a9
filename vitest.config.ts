import { defineConfig } from 'vitest/config';

/**
 * One project per kind of test, the quick ones first (from 1: Vitest puts 0 last on two cores). What a test needs, such as
 * Docker or root, it finds out itself; where it is missing the test is skipped and says so.
 */
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
      project('unit', 1, 30_000),
      project('conformance', 2, 60_000),
      project('integration', 3, 120_000),
      // These measure time or fill the machine: one file at a time.
      project('e2e', 4, 180_000, false),
      project('fault', 5, 300_000, false),
    ],
  },
});
