import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { startWaiting } from '../../src/snapshots/program.ts';
import { isRunning, makeFolder } from '../support/cli.ts';
import { until } from '../support/containers.ts';

test('CUT-5 a program that waits for its last argument runs once it has it, and never when it is let go without', async () => {
  await using folder = await makeFolder();
  const program = await startWaiting(['mkdir', '-v']);
  const said = await program.run(join(folder.path, 'made, with a space'), 5_000);
  expect(said).toContain('created directory');
  expect(await readdir(folder.path)).toEqual(['made, with a space']);

  {
    using _never = await startWaiting(['touch', join(folder.path, 'never')]);
    expect(await isRunning(join(folder.path, 'never'))).toBe(true);
  }
  await until(async () => !(await isRunning(join(folder.path, 'never'))));
  expect(await readdir(folder.path)).toEqual(['made, with a space']);
});

test('CUT-5 what a waiting program says of its failure is told, also when it had ended before it was given its argument', async () => {
  await using folder = await makeFolder();
  const refuses = await startWaiting(['rmdir']);
  await expect(refuses.run(join(folder.path, 'nothing'), 5_000)).rejects.toMatchObject({
    code: 'backup-failed',
    message: expect.stringContaining('No such file or directory'),
  });
  const mark = `${folder.path}/killed`;
  const killed = await startWaiting(['touch', mark]);
  await execa('pkill', ['-KILL', '-f', mark]);
  await until(async () => !(await isRunning(mark)));
  await expect(killed.run(join(folder.path, 'nothing'), 5_000)).rejects.toMatchObject({ code: 'backup-failed' });
  expect(await readdir(folder.path)).toEqual([]);
});
