/**
 * `npm run test:matrix`: the whole of PostgreSQL in Docker for every version that Debian's suites have, and what came of
 * it in docs/tested.md.
 */
import { rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { RESULTS, readResults, type TestResult } from './results.ts';

const VERSIONS = ['13', '15', '17', '18'];
const root = fileURLToPath(new URL('..', import.meta.url));

await execa(process.execPath, ['test/environment/prepare.ts', ...VERSIONS.map((it) => `postgres-${it}`)], {
  cwd: root,
  stdio: 'inherit',
});
await rm(RESULTS, { force: true });
await execa(
  'vitest',
  ['run', '--project', 'e2e', 'test/e2e/versions.test.ts', '--reporter=default', '--reporter=./test/reporter.ts'],
  {
    cwd: root,
    preferLocal: true,
    localDir: root,
    env: { STILLPOINT_TEST_VERSIONS: VERSIONS.join(',') },
    stdio: 'inherit',
    reject: false,
  },
);
const results = await readResults();
if (!results) throw new Error('vitest left no results');

/** `DOCK-10 PostgreSQL 17: copy under load` → version 17, `copy under load`. */
const parsed = results.tests.flatMap((it) => {
  const [, version, what] = /^DOCK-10 PostgreSQL (\d+): (.*)$/.exec(it.titles.at(-1) ?? '') ?? [];
  return version === undefined || what === undefined ? [] : [{ version, what, state: it.state }];
});
const MARK: Readonly<Record<TestResult['state'], string>> = { passed: 'ok', failed: '**failed**', skipped: 'not run' };
const rows = [...new Set(parsed.map((it) => it.what))].map((what) => {
  const cells = VERSIONS.map((version) => parsed.find((it) => it.what === what && it.version === version)?.state);
  return `| ${what} | ${cells.map((it) => (it === undefined ? 'not run' : MARK[it])).join(' | ')} |`;
});
await writeFile(
  new URL('../docs/tested.md', import.meta.url),
  `# Tested versions

Written by \`npm run test:matrix\` on ${results.ended.slice(0, 10)}: PostgreSQL in Docker, images built from Debian's packages
(bullseye, bookworm, trixie and sid), data on btrfs, a writer under way.

| | ${VERSIONS.join(' | ')} |
|---|${VERSIONS.map(() => '---').join('|')}|
${rows.join('\n')}

Snapshots are those of btrfs. MySQL, MongoDB, Redis, ZFS, LVM and storage arrays were not run here.
`,
);
process.exitCode = results.tests.some((it) => it.state === 'failed') ? 1 : 0;
