import { spawnSync } from 'node:child_process';

/** For `test.skipIf(!has('age'))`: a bare machine has not every program that a test compares us with. */
export const has = (program: string): boolean => spawnSync('which', [program]).status === 0;
