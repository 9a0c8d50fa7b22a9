/** What the last test run found: written by reporter.ts, read by run.ts and promises.ts. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export const RESULTS = fileURLToPath(new URL('../.cache/tests.json', import.meta.url));

export interface TestResult {
  /** Titles from the outermost describe to the test's own; only the file's name for a file that did not load. */
  readonly titles: readonly string[];
  /** Relative to the project. */
  readonly file: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly millis: number;
  /** Why it was skipped, or how it failed. */
  readonly note?: string;
}

export interface Results {
  /** ISO 8601, UTC. */
  readonly ended: string;
  readonly tests: readonly TestResult[];
}

/** Undefined when there was no run, or it did not get to its end. */
export async function readResults(): Promise<Results | undefined> {
  try {
    return JSON.parse(await readFile(RESULTS, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
