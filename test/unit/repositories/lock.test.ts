import { mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Runner } from '../../../src/hold/runner.ts';
import { Disk } from '../../../src/repositories/directory/disk.ts';
import { lock, type Purpose } from '../../../src/repositories/directory/lock.ts';
import { DEAD, US } from '../../conformance/backups.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillpoint-lock-'));
});
afterEach(() => rm(folder, { recursive: true }));

const take = (purpose: Purpose, us: Runner, id = '7f3k9q2m') => lock(new Disk(folder), folder, { purpose, id, us });
const ELSEWHERE: Runner = { ...US, host: 'db2', bootId: 'another', pid: 7 };
const LOCKED = { code: 'repository-locked', exit: 11 };
const files = async () => (await readdir(folder)).map((name) => join(folder, name));
const silentFor = async (minutes: number) => {
  const at = new Date(Date.now() - minutes * 60_000);
  for (const file of await files()) await utimes(file, at, at);
};

test('STORE-4 a holder on another host is believed for ten minutes of silence, and named', async () => {
  await take('backup', ELSEWHERE);
  await silentFor(9);
  await expect(take('backup', US, '9c1d02xf')).rejects.toMatchObject(LOCKED);
  await expect(take('backup', US, '9c1d02xf')).rejects.toThrow(
    'Process 7 on db2 is backing up the same job (7f3k9q2m)',
  );
  await silentFor(11);
  await using _ = await take('backup', US, '9c1d02xf');
  expect(await files()).toHaveLength(1);
});

const DEAD_HERE: Record<string, Runner> = {
  'whose process has ended': DEAD,
  'whose process id is used again': { ...US, processStart: '1' },
  'of an earlier boot': { ...US, bootId: 'an-earlier-boot' },
};
for (const [what, holder] of Object.entries(DEAD_HERE)) {
  test(`STORE-4 a holder on this host ${what} is dead at once, however young its lock`, async () => {
    await take('backup', holder);
    await using _ = await take('backup', US, '9c1d02xf');
    expect(await files()).toHaveLength(1);
  });
}

test('STORE-4 a process number of another container of this machine says nothing: the age of the lock decides', async () => {
  await take('backup', DEAD);
  const [file = ''] = await files();
  const parts = file.split('~');
  parts[6] = '4026999999';
  await rename(file, parts.join('~'));
  await expect(take('backup', US)).rejects.toMatchObject(LOCKED);
  await silentFor(11);
  await (await take('backup', US))[Symbol.asyncDispose]();
});

/** Whether the second may begin while the first is at work: on the same backup, and on another one of the job. */
const PAIRS: [Purpose, Purpose, boolean, boolean][] = [
  ['backup', 'backup', false, false],
  ['backup', 'remove', false, false],
  ['backup', 'read', true, true],
  ['remove', 'backup', false, false],
  ['remove', 'remove', false, false],
  ['remove', 'read', false, true],
  ['read', 'backup', true, true],
  ['read', 'remove', false, true],
  ['read', 'read', true, true],
];
test.each(PAIRS)(
  'STORE-4 during a %s, a %s of the same backup: %s; of another one: %s',
  async (first, second, same, other) => {
    await using _ = await take(first, US);
    for (const [id, may] of [
      ['7f3k9q2m', same],
      ['9c1d02xf', other],
    ] as const) {
      const attempt = take(second, US, id);
      if (!may) await expect(attempt).rejects.toMatchObject(LOCKED);
      else await (await attempt)[Symbol.asyncDispose]();
    }
  },
);

test('STORE-4 a lock is touched every minute, so that other hosts see its holder alive', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  try {
    await using _ = await take('backup', US);
    await silentFor(60);
    await vi.advanceTimersByTimeAsync(61_000);
    const [file = ''] = await files();
    await vi.waitFor(async () => expect(Date.now() - (await stat(file)).mtimeMs).toBeLessThan(30_000));
  } finally {
    vi.useRealTimers();
  }
});

test('STORE-4 who was taken for dead notices before it commits', async () => {
  await using held = await take('backup', US);
  await held.assertHeld();
  for (const file of await files()) await rm(file);
  await expect(held.assertHeld()).rejects.toMatchObject({ ...LOCKED, message: expect.stringContaining('taken away') });
});

test('STORE-4 what is not a lock is left alone', async () => {
  const disk = new Disk(folder);
  for (const name of ['.lock', '.lock~x~y', '.lock~backup~only~three', 'manifest.json'])
    await disk.create(join(folder, name));
  await (await take('backup', US))[Symbol.asyncDispose]();
  expect(await files()).toHaveLength(4);
});
