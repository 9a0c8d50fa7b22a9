import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa, type Options } from 'execa';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { copyTree, PROJECT } from './tree.ts';

const NOBODY = 65534;
const root = process.getuid?.() === 0;
const FOLDER = /\/var\/tmp\/stillpoint-embedded-[0-9a-f]+/;

/** `npm run demo` as npm would run it, with the Node that npm installed. */
function demo(tree: string, args: readonly string[] = [], options: Options = {}) {
  const node = join(tree, 'node_modules', '.bin', 'node');
  return execa(node, ['-r', './test/require-node.cjs', 'test/demo/demo.ts', ...args], {
    ...options,
    cwd: tree,
    stdin: 'ignore',
    all: true,
    reject: false,
    timeout: 120_000,
  });
}

const folderOf = (output: string): string => FOLDER.exec(output)?.[0] ?? 'no folder was named';

/** Every process that has something to do with the folder, by its command line. */
async function processesOf(folder: string): Promise<string[]> {
  const lines = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      // A process may end while it is looked at.
      .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines.filter((line) => line.includes(folder));
}

/** At once, or within `patience` ms when somebody else has to clear up. */
async function expectNothingLeft(folder: string, patience = 0): Promise<void> {
  const end = Date.now() + patience;
  while (Date.now() < end && (existsSync(folder) || (await processesOf(folder)).length > 0)) await sleep(100);
  expect(await processesOf(folder)).toEqual([]);
  expect(existsSync(folder)).toBe(false);
}

async function expectGood(run: { readonly exitCode?: number | undefined; readonly all?: unknown }): Promise<void> {
  const output = String(run.all);
  const words = output.replaceAll(/\s+/g, ' ');
  expect(words).toContain('every table and every row is identical');
  expect(words).toMatch(/all 7 tables with 1\d\d,\d{3} rows/);
  expect(words).toMatch(/the shop went on: [\d,]+ rows now, [\d,]+ more than in the backup/);
  expect(run.exitCode).toBe(0);
  await expectNothingLeft(folderOf(output));
}

/** Resolves with the demo's folder as soon as it has printed `word`. */
async function startedUntil(child: ReturnType<typeof demo>, word: string): Promise<string> {
  const said = Promise.withResolvers<string>();
  let output = '';
  child.all?.on('data', (chunk) => {
    output += chunk;
    if (output.includes(word) && FOLDER.test(output)) said.resolve(folderOf(output));
  });
  child.nodeChildProcess.once('exit', () =>
    said.reject(new Error(`the demo ended before it said ${word}:\n${output}`)),
  );
  return said.promise;
}

async function connect(config: pg.ClientConfig): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client(config);
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

describe('START-2: the demo', () => {
  test.each([
    ['the backup', 'ready '],
    ['the verification', ': restoring into'],
  ])('killed in the middle of %s leaves nothing behind', async (_, word) => {
    const child = demo(PROJECT);
    const folder = await startedUntil(child, word);
    child.kill('SIGKILL');
    await child;
    await expectNothingLeft(folder, 20_000);
  });

  test('interrupted in the middle leaves nothing behind and exits with 130', async () => {
    const child = demo(PROJECT);
    const folder = await startedUntil(child, 'ready ');
    child.kill('SIGINT');
    expect((await child).exitCode).toBe(130);
    await expectNothingLeft(folder);
  });

  test('runs twice at the same time after that', async () => {
    const runs = await Promise.all([demo(PROJECT), demo(PROJECT)]);
    for (const run of runs) await expectGood(run);
  });

  test.skipIf(!root)(`runs from a clone in /root as root${root ? '' : ' (skipped: not root)'}`, async () => {
    await using tree = await copyTree('/root', { installed: true });
    await expectGood(await demo(tree.path));
  });

  test('runs from a home folder as a normal user, in less than a minute', async () => {
    await using tree = await copyTree('/var/tmp', { installed: true, ...(root ? { owner: NOBODY } : {}) });
    const as = root ? { uid: NOBODY, gid: NOBODY, env: { HOME: join(tree.path, '..') } } : {};
    const run = await demo(tree.path, [], as);
    await expectGood(run);
    expect(run.durationMs).toBeLessThan(60_000);
  });

  test('--keep leaves the server and the backup and prints how to look around; --end removes them', async () => {
    const run = await demo(PROJECT, ['--keep']);
    const output = String(run.all);
    const folder = folderOf(output);
    try {
      expect(run.exitCode).toBe(0);
      const password = / # password: (\w+)/.exec(output)?.[1];
      const [, port] = /psql -h 127\.0\.0\.1 -p (\d+)/.exec(output) ?? [];
      await using client = await connect({
        host: '127.0.0.1',
        port: Number(port),
        user: 'postgres',
        password,
        database: 'shop',
      });
      const { rows } = await client.query<{ n: number }>('SELECT count(*)::int AS n FROM orders');
      expect(rows[0]?.n).toBeGreaterThan(30_000);
      expect(existsSync(join(folder, 'backups', 'stillpoint.json'))).toBe(true);
    } finally {
      const end = await demo(PROJECT, ['--end', folder]);
      expect(end.all).toBe(`Ended and removed ${folder}`);
    }
    await expectNothingLeft(folder);
  });
});
