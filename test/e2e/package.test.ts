import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyTree, PROJECT } from './tree.ts';

/** What `npm pack` makes; that it installs and runs is shown in install.test.ts. */

let folder: string;
let files: readonly string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillpoint-package-'));
  await using tree = await copyTree(folder, { installed: false });
  await symlink(join(PROJECT, 'node_modules'), join(tree.path, 'node_modules'));
  const pack = await execa('npm', ['pack', '--json', '--pack-destination', folder], { cwd: tree.path });
  const [about] = JSON.parse(pack.stdout.slice(pack.stdout.indexOf('['))) as [
    { filename: string; files: { path: string }[] },
  ];
  files = about.files.map((it) => it.path);
  await execa('tar', ['-xzf', about.filename], { cwd: folder });
  await symlink(join(PROJECT, 'node_modules'), join(folder, 'node_modules'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('START-1: the package', () => {
  test('holds what it needs and nothing else', async () => {
    const tops = [...new Set(files.map((it) => it.split('/')[0]))].sort();
    expect(tops.filter((it) => it !== 'README.md' && it !== 'hooks')).toEqual([
      'LICENSE',
      'bin',
      'dist',
      'docs',
      'package.json',
      'recipes',
    ]);
    expect(files.filter((it) => it.endsWith('.ts'))).toEqual([]);
    expect(files).toContain('bin/stillpoint.cjs');
    const license = await readFile(join(folder, 'package/LICENSE'), 'utf8');
    expect(license).toMatch(/Apache License\s+Version 2\.0, January 2004/);
  });

  test('--version takes less than 4 times as long as node -e 0', () => {
    const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0;
    const timed = (...args: readonly string[]): number => {
      const began = performance.now();
      execFileSync(process.execPath, args);
      return performance.now() - began;
    };
    const bin = join(folder, 'package/bin/stillpoint.cjs');
    const ratios = Array.from({ length: 9 }, () => timed(bin, '--version') / timed('-e', '0'));
    expect(median(ratios)).toBeLessThan(4);
  });
});
