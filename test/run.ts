/**
 * `npm test`: lint, types, then every test. Ends with `N passed, N failed, N skipped`; lint and types count as one each,
 * and so does whatever keeps tests from running.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { RESULTS, readResults, type TestResult } from './results.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Stand-in images that tests ask for; prepared before them, because the first build takes minutes. */
const IMAGES = ['postgres-15', 'mariadb-10.11', 'busybox-postgres-15', 'client-15', 'idle'];

/** Runs a program of the project to its end with its output on ours; its exit code, undefined when a signal ended it. */
async function run(title: string, program: string, ...args: string[]): Promise<number | undefined> {
  process.stdout.write(`\n== ${title}\n`);
  const { exitCode } = await execa(program, args, {
    cwd: root,
    preferLocal: true,
    localDir: root,
    stdin: 'ignore',
    stdout: 'inherit',
    stderr: 'inherit',
    reject: false,
  });
  return exitCode;
}

async function check(title: string, program: string, ...args: string[]): Promise<TestResult> {
  const exit = await run(title, program, ...args);
  return { titles: [title], file: '', millis: 0, state: exit === 0 ? 'passed' : 'failed' };
}

async function vitest(): Promise<TestResult[]> {
  await rm(RESULTS, { force: true });
  const args = ['run', '--allowOnly=false', '--reporter=default', '--reporter=./test/reporter.ts'];
  const exit = await run('tests', 'vitest', ...args);
  const tests = (await readResults())?.tests ?? [];
  const explained = exit === 0 ? tests.length > 0 : tests.some(({ state }) => state === 'failed');
  const died = `vitest ended with ${exit === undefined ? 'a signal' : `code ${exit}`} and ${tests.length} results`;
  return explained ? [...tests] : [...tests, { titles: [died], file: '', millis: 0, state: 'failed' }];
}

const tests = [await check('lint', 'biome', 'check', '.'), await check('types', 'tsc', '--noEmit')];
if (existsSync(`${root}/test/environment/prepare.ts`)) {
  // Where this is not possible it says so, and the tests that need it are skipped; a failed build fails them.
  await run('environment', process.execPath, 'test/environment/prepare.ts', ...IMAGES);
}
tests.push(...(await vitest()));

const of = (state: TestResult['state']) => tests.filter((test) => test.state === state);
for (const [heading, some] of [['Skipped', of('skipped')] as const, ['Failed', of('failed')] as const]) {
  if (some.length > 0) process.stdout.write(`\n${heading}:\n`);
  for (const { titles, file, note } of some) {
    const reason = heading === 'Skipped' && note !== undefined ? ` (${note})` : '';
    process.stdout.write(`  ${file}${file === '' ? '' : ': '}${titles.join(' > ')}${reason}\n`);
  }
}
process.stdout.write(
  `\n${of('passed').length} passed, ${of('failed').length} failed, ${of('skipped').length} skipped\n`,
);
process.exitCode = of('failed').length > 0 ? 1 : 0;
