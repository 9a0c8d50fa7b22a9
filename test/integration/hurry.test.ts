import { constants, getPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { hurry } from '../../src/backup/hurry.ts';

const { PRIORITY_HIGH } = constants.priority;

test.skipIf(process.getuid?.() !== 0)('CUT-1 while writers wait the runner goes first, and not longer', () => {
  const before = getPriority();
  {
    using _outer = hurry();
    expect(getPriority()).toBe(PRIORITY_HIGH);
    {
      using _inner = hurry();
    }
    expect(getPriority()).toBe(PRIORITY_HIGH);
  }
  expect(getPriority()).toBe(before);
});

test('CUT-1 who may not go first waits like everybody', async () => {
  const program = `
    import { getPriority } from 'node:os';
    import { hurry } from ${JSON.stringify(fileURLToPath(new URL('../../src/backup/hurry.ts', import.meta.url)))};
    { using _hurried = hurry(); console.log(getPriority()); }`;
  const node = [process.execPath, '--input-type=module', '-e', program] as const;
  const argv = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', '-sys_nice', ...node] : node;
  const [file = '', ...args] = argv;
  expect((await execa(file, args)).stdout).toBe(String(getPriority()));
});
