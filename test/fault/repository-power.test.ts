import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { copyBackup } from '../../src/repositories/copy.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import type { Repository } from '../../src/repositories/repository.ts';
import { store, US, verificationOf } from '../conformance/backups.ts';
import { isRoot, makeImage, mountImage } from './mounts.ts';
import { watchChanges } from './power.ts';

const open = (path: string): Promise<Repository> =>
  openDirectoryRepository(join(path, 'repository'), { create: true, runner: US });
const OPTIONS = 'data=writeback,noauto_da_alloc';

/** What the disk may have got of that which nobody synced, when the power goes. */
const LUCK: Record<string, (mount: string) => void> = {
  'nothing of it': () => {},
  'all of it': (mount) => void execFileSync('sync', ['-f', mount]),
  // Syncing another file commits the journal: names and renames of all files, but not their data.
  'names, but no data': (mount) =>
    void execFileSync('sh', ['-c', 'echo x > "$1/other" && sync "$1/other"', 'sh', mount]),
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillpoint-power-'));
});
afterEach(() => rm(folder, { recursive: true }));

interface Cut {
  readonly image: string;
  readonly what: string;
  readonly saved: readonly string[];
}

/** Runs `work` on a small disk and returns a copy of the disk as it was after every change. */
async function record(work: Work, unsynced: (mount: string) => void, forget?: 'files' | 'folders'): Promise<Cut[]> {
  const image = join(folder, 'disk');
  await makeImage(image, 'ext4', 6 * 1024 * 1024);
  await using mount = await mountImage(image, OPTIONS);
  const cuts: Cut[] = [];
  const saved: string[] = [];
  let last = '';
  const cut = (what: string) => {
    unsynced(mount.path);
    const bytes = readFileSync(image);
    const state = `${createHash('sha256').update(bytes).digest('hex')} ${saved}`;
    if (state === last) return;
    last = state;
    const copy = join(folder, `cut${cuts.length}`);
    writeFileSync(copy, bytes);
    cuts.push({ image: copy, what, saved: [...saved] });
  };
  using _ = watchChanges(cut, forget);
  await work(await open(mount.path), (id) => {
    saved.push(id);
    cut(`saved ${id}`);
  });
  return cuts;
}

/** What is wrong with the repository on a disk after the power came back; and whether the next run puts it in order. */
async function afterwards(image: string, saved: readonly string[]): Promise<readonly string[]> {
  await using mount = await mountImage(image);
  await reboot(mount.path);
  const repository = await open(mount.path);
  const listed = (await Array.fromAsync(repository.list())).map((line) => line.id);
  const wrong = [];
  for (const id of listed) {
    const damages = await Array.fromAsync(repository.check(id, new AbortController().signal));
    wrong.push(...damages.map(({ file, text }) => `${id} is listed, but ${file}: ${text}`));
  }
  for (const { where, text } of await Array.fromAsync(repository.damaged())) wrong.push(`${where}: ${text}`);
  for (const id of saved) if (!listed.includes(id)) wrong.push(`${id} was saved and is not listed`);
  await store(repository, 'shop', { a: Buffer.from('rows') });
  for (const leftover of await Array.fromAsync(repository.leftovers())) {
    // A cut copy stays for the next copy to go on with; recover removes it.
    if (leftover.kind === 'partial copy') await leftover.remove();
    else wrong.push(`left after the next run: ${leftover.what}`);
  }
  const files = await readdir(mount.path, { recursive: true });
  wrong.push(
    ...files.filter((file) => /partial|\.lock|\.copy/.test(file)).map((file) => `left after the next run: ${file}`),
  );
  return wrong;
}

/** This process survived the cut, so its locks are given to another boot of this machine. */
async function reboot(path: string): Promise<void> {
  for (const file of await readdir(path, { recursive: true })) {
    if (file.includes('.lock~')) await rename(join(path, file), join(path, file.replace(US.bootId, 'an-earlier-boot')));
  }
}

type Work = (repository: Repository, mark: (id: string) => void) => Promise<void>;

const backUp: Work = async (repository, mark) => {
  for (const size of [300_000, 1]) {
    const { id } = await store(repository, 'shop', { 'orders.dump': randomBytes(size), b: randomBytes(9000) });
    mark(id);
    await repository.record(id, verificationOf(true, '2026-11-21T03:00:00.000Z'));
  }
};

const removeOne: Work = async (repository, mark) => {
  const old = await store(repository, 'shop', { 'orders.dump': randomBytes(100_000), b: randomBytes(9000) });
  const { id } = await store(repository, 'shop', { 'orders.dump': randomBytes(100_000) });
  mark(id);
  await repository.remove(old.id);
};

const copyIn: Work = async (repository, mark) => {
  const elsewhere = await open(join(folder, 'elsewhere'));
  const { id } = await store(elsewhere, 'shop', { 'orders.dump': randomBytes(300_000), b: randomBytes(9000) });
  await elsewhere.record(id, verificationOf(true, '2026-11-21T03:00:00.000Z'));
  await copyBackup(elsewhere, repository, id, new AbortController().signal);
  mark(id);
};

const WORKS = { 'backing up': backUp, 'removing a backup': removeOne, 'copying one in': copyIn };

describe.skipIf(!isRoot)('the power goes', () => {
  for (const [name, work] of Object.entries(WORKS)) {
    for (const [luck, unsynced] of Object.entries(LUCK)) {
      test(`STORE-3 after every change while ${name}; of what was not synced the disk has ${luck}`, async () => {
        const cuts = await record(work, unsynced);
        expect(cuts.length).toBeGreaterThan(10);
        for (const { image, what, saved } of cuts) {
          expect({ what, wrong: await afterwards(image, saved) }).toEqual({ what, wrong: [] });
        }
      });
    }
  }

  for (const forget of ['files', 'folders'] as const) {
    test(`STORE-3 these tests find a repository that forgets to sync ${forget}`, async () => {
      const luck = forget === 'files' ? 'names, but no data' : 'nothing of it';
      const wrong = [];
      for (const { image, saved } of await record(backUp, LUCK[luck] ?? (() => {}), forget)) {
        wrong.push(...(await afterwards(image, saved).catch((error) => [String(error)])));
      }
      expect(wrong).not.toEqual([]);
    });
  }
});
