import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PROJECT } from './tree.ts';

/** A project of our tooling and these files only. */
async function project(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  const tooling = ['package.json', 'vitest.config.ts', 'tsconfig.json', 'biome.json', '.ci'];
  const tests = ['run.ts', 'results.ts', 'reporter.ts', 'require-node.cjs'].map((name) => join('test', name));
  for (const path of [...tooling, ...tests]) await cp(join(PROJECT, path), join(folder, path), { recursive: true });
  await symlink(join(PROJECT, 'node_modules'), join(folder, 'node_modules'));
  await execa('git', ['init', '--quiet'], { cwd: folder });
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

const IMPORT = "import { afterAll, beforeAll, describe, expect, test } from 'vitest';\n\n";

const GOOD = `import { test } from 'vitest';

test('passes', () => {});
test('needs a disk', (context) => context.skip('no loop device'));
`;

describe('START-10: the test command', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stillpoint-run-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const run = () =>
    execa(process.execPath, ['test/run.ts'], {
      cwd: folder,
      stdin: 'ignore',
      all: true,
      reject: false,
      env: { CI: '1' },
    });
  const last = (output: string): string | undefined => output.split('\n').at(-1);

  test('ends with the count, lint and types counted too, and names what was skipped and why', async () => {
    await project(folder, { 'test/unit/good.test.ts': GOOD });
    const { all, exitCode } = await run();
    expect(last(all)).toBe('3 passed, 0 failed, 1 skipped');
    expect(all).toContain('test/unit/good.test.ts: needs a disk (no loop device)');
    expect(exitCode).toBe(0);
  });

  test.each([
    ['a failing test', `test('one', () => expect(1).toBe(2));`, 1],
    ['a file that does not load', `import './missing.ts';`, 1],
    ['a file without a test', 'export {};', 1],
    ['a failing hook', `describe('a', () => { beforeAll(() => { throw new Error('no') }); test('b', () => {}); });`, 1],
    ['a failing last hook', `afterAll(() => { throw new Error('no') });\ntest('a', () => {});`, 1],
    [
      'an error outside of any test',
      `test('a', async () => { setTimeout(() => { throw new Error('no') }); await new Promise((r) => setTimeout(r, 50)); });`,
      1,
    ],
    ['a test that was meant to run alone', `test.only('a', () => {});\ntest('b', () => {});`, 1],
    ['a process that dies', `test('a', () => { process.kill(process.pid, 'SIGKILL'); });`, 2],
  ])('counts %s', async (_, text, failures) => {
    await project(folder, {
      'test/unit/good.test.ts': GOOD,
      'test/unit/bad.test.ts': `// @ts-nocheck\n// biome-ignore-all lint: bad on purpose\n// biome-ignore-all format: bad on purpose\n// biome-ignore-all assist: bad on purpose\n${IMPORT}${text}\n`,
    });
    const { all, exitCode } = await run();
    expect(last(all)).toMatch(new RegExp(`^[34] passed, ${failures} failed, [12] skipped$`));
    expect(exitCode).toBe(1);
  });

  test('counts lint, types, and a vitest that cannot start', async () => {
    await project(folder, {
      'test/unit/good.test.ts': `${IMPORT}const x: string = 1\n`,
      'vitest.config.ts': 'throw new Error()',
    });
    const { all, exitCode } = await run();
    expect(last(all)).toBe('0 passed, 3 failed, 0 skipped');
    expect(exitCode).toBe(1);
  });

  /** An npm that tells what it was asked for, and fails at `failing`. */
  async function ci(failing: string) {
    const npm = join(folder, 'bin', 'npm');
    await mkdir(dirname(npm));
    await writeFile(npm, '#!/bin/sh\necho "npm $* in $PWD, CI=$CI"\n[ "$1" != "$FAILING" ]\n');
    await chmod(npm, 0o755);
    const env = { PATH: `${dirname(npm)}:${process.env.PATH}`, FAILING: failing };
    return execa(join(folder, '.ci', 'run'), { cwd: '/', env, stdin: 'ignore', all: true, reject: false });
  }

  test('.ci/run installs and runs it from any folder', async () => {
    await project(folder, {});
    const { all, exitCode } = await ci('nothing');
    expect(all).toBe(`npm ci in ${folder}, CI=true\nnpm test --silent in ${folder}, CI=true`);
    expect(exitCode).toBe(0);
    expect(await readFile(join(PROJECT, 'README.md'), 'utf8')).toMatch(/^npm ci && npm test\b/m);
  });

  test('.ci/run ends with the count when nothing could be installed', async () => {
    await project(folder, {});
    const { all, exitCode } = await ci('ci');
    expect(last(all)).toBe('0 passed, 1 failed, 0 skipped');
    expect(exitCode).toBe(1);
  });
});
