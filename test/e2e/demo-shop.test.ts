import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { tryImage } from '../environment/images.ts';

const found = [await tryImage('postgres-15'), await tryImage('mariadb-10.11')].find((it) => !it.ok);
const skipped = found && !found.ok ? ` (skipped: ${found.reason})` : '';

describe.skipIf(found)(`npm run demo:shop${skipped}`, () => {
  test('CUT-1 CUT-3 one job restores to books that balance, one after the other does not, and nothing is left', {
    timeout: 400_000,
  }, async () => {
    const project = fileURLToPath(new URL('../..', import.meta.url));
    const run = await execa(process.execPath, ['-r', './test/require-node.cjs', 'test/bank/demo.ts'], {
      cwd: project,
      stdin: 'ignore',
      all: true,
      reject: false,
    });
    expect(run.exitCode, run.all).toBe(0);
    expect(run.stdout).toContain('Both at one instant.');
    expect(run.stdout).toContain('One job: the books balance to the cent. Every effect has its cause.');
    expect(run.stdout).toMatch(/One after the other: they do not. [\d,]+ effects have no cause, the first: /);
    const mark = /docker:one-job-shop-pg-([0-9a-f]{4})/.exec(run.stdout)?.[1] ?? 'no mark was printed';
    const { stdout: left } = await execa('docker', ['ps', '--all', '--format', '{{.Names}}']);
    expect(left.split('\n').filter((it) => it.includes(mark))).toEqual([]);
  });
});
