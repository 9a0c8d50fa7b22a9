import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { build } from '../bench/built.ts';
import { BACKUPS, fillStore } from '../bench/store-list.ts';
import { makeFolder } from '../support/cli.ts';

const COUNTER = fileURLToPath(new URL('../support/count-opens.ts', import.meta.url));

/** Time is measured by `npm run bench list`, as a ratio to `--version`; here the work is counted, which no neighbour changes. */
test('STORE-10 10,000 backups are listed from a handful of files', async () => {
  await using folder = await makeFolder();
  const store = folder.in('store');
  const bin = await build(folder.path);
  await fillStore(store);
  const list = async () => {
    const run = await execa(process.execPath, ['--import', COUNTER, bin, 'list', '--from', store, '-o', 'json'], {
      cwd: folder.path,
    });
    const { backups }: { backups: readonly unknown[] } = JSON.parse(run.stdout);
    return { listed: backups.length, opened: Number(/^opened (\d+)$/m.exec(run.stderr)?.[1]) };
  };
  const first = await list();
  expect(first.listed).toBe(BACKUPS);
  expect(first.opened).toBeGreaterThan(BACKUPS);
  const second = await list();
  expect(second.listed).toBe(BACKUPS);
  expect(second.opened).toBeLessThan(20);
}, 180_000);
