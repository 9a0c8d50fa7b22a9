import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { StillpointError } from '../../src/model/errors.ts';
import { newId } from '../../src/model/id.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import type { Repository } from '../../src/repositories/repository.ts';
import { DEAD, manifestOf, store, US, verificationOf } from '../conformance/backups.ts';
import { has } from '../conformance/programs.ts';
import { fillUntil, isRoot, loopback, type Mount, tmpfs } from './mounts.ts';

const MIB = 1024 * 1024;
const open = (mount: Mount, runner = US): Promise<Repository> =>
  openDirectoryRepository(join(mount.path, 'repository'), { create: true, runner });
const damagesOf = (repository: Repository, id: string) =>
  Array.fromAsync(repository.check(id, new AbortController().signal));
/** Everything but the cache of `list`, which comes when it may. */
const everythingIn = async (folder: string) =>
  (await readdir(folder, { recursive: true })).filter((name) => !name.startsWith('.index'));

const filesOf = (mount: Mount) => everythingIn(join(mount.path, 'repository'));

/** One backup of two streams; the error, if it failed. */
async function tryBackup(repository: Repository): Promise<unknown> {
  try {
    await store(repository, 'shop', { 'orders.dump': randomBytes(90_000), 'orders.fingerprint': randomBytes(3000) });
    return undefined;
  } catch (error) {
    return error;
  }
}

describe.skipIf(!isRoot)('a full disk', () => {
  test('START-6 tmpfs, full at every page of a backup: earlier ones whole, nothing left, and it says what to do', async () => {
    await using mount = await tmpfs(2 * MIB);
    const repository = await open(mount);
    const { id } = await store(repository, 'shop', { 'orders.dump': randomBytes(90_000) });
    const before = await filesOf(mount);
    let failures = 0;
    for (let free = 0; ; free += 4096) {
      const ballast = await fillUntil(mount, free);
      const error = await tryBackup(repository);
      await rm(ballast);
      if (error === undefined) break;
      failures += 1;
      expect(error).toBeInstanceOf(StillpointError);
      expect(error).toMatchObject({ code: 'repository-full', exit: 7 });
      expect(String(error)).toMatch(/repository is full \(no space is left\): \d+ bytes are free. .*\/repository/);
      expect(await filesOf(mount)).toEqual(before);
      expect((await Array.fromAsync(repository.list())).map((line) => line.id)).toEqual([id]);
      expect(await damagesOf(repository, id)).toEqual([]);
    }
    expect(failures).toBeGreaterThan(20);
    expect(await Array.fromAsync(repository.list())).toHaveLength(2);
  });

  for (const [type, size] of [
    ['ext4', 8 * MIB],
    ['xfs', 320 * MIB],
    ['btrfs', 128 * MIB],
  ] as const) {
    test(`START-6 ${type}, full at many positions: earlier backups whole, nothing left, forget makes room`, async () => {
      await using mount = await loopback(type, size);
      const repository = await open(mount);
      const old = await store(repository, 'shop', { 'orders.dump': randomBytes(2 * MIB) });
      const before = await filesOf(mount);
      for (const free of [0, 4096, 20_000, 60_000, 500_000, 1_500_000]) {
        const ballast = await fillUntil(mount, free);
        let error: unknown;
        try {
          await store(repository, 'shop', { 'orders.dump': randomBytes(3 * MIB) });
        } catch (thrown) {
          error = thrown;
        }
        expect(error).toMatchObject({ code: 'repository-full' });
        expect(await filesOf(mount)).toEqual(before);
        expect(await damagesOf(repository, old.id)).toEqual([]);
        await rm(ballast);
      }
      await fillUntil(mount, 0);
      await repository.remove(old.id);
      expect(await Array.fromAsync(repository.list())).toEqual([]);
      await store(repository, 'shop', { 'orders.dump': randomBytes(MIB) });
    });
  }
});

/** Tries one backup with a limit on the size of every file, in bytes: a process of its own, because limits stay. */
const LIMITED = `
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
const [root, path, limit] = process.argv.slice(1);
const { openDirectoryRepository } = await import(root + '/src/repositories/directory/index.ts');
const { thisRunner } = await import(root + '/src/hold/runner.ts');
const repository = await openDirectoryRepository(path, { create: false, runner: await thisRunner() });
await using backup = await repository.begin('shop', '7f3k9q2m');
const { execFileSync } = await import('node:child_process');
execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=' + limit]);
try {
  await backup.put('orders.dump', Readable.from([randomBytes(9_000_000)]));
  console.log('stored');
} catch (error) {
  console.log(JSON.stringify({ code: error.code, message: error.message }));
}`;

describe.skipIf(!has('prlimit'))('a file that may not grow', () => {
  test('START-6 at any byte: the earlier backup whole, nothing left, and it says what the file system refuses', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stillpoint-limit-'));
    try {
      const repository = await openDirectoryRepository(folder, { create: true, runner: US });
      const { id } = await store(repository, 'shop', { a: Buffer.from('rows') });
      const before = await everythingIn(folder);
      for (const limit of [0, 1, 4095, 1_048_577, 4_194_303, 4_194_700, 8_999_999]) {
        const args = ['--input-type=module', '-e', LIMITED, process.cwd(), folder, String(limit)];
        const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
        expect(JSON.parse(stdout)).toMatchObject({
          code: 'repository-full',
          message: expect.stringContaining('takes no file this large'),
        });
        expect(await everythingIn(folder)).toEqual(before);
        expect(await damagesOf(repository, id)).toEqual([]);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe.skipIf(!isRoot)('a disk that cannot be written', () => {
  test('START-6 a read-only mount: reads, checks and restores work; writing says what to do', async () => {
    await using mount = await tmpfs(4 * MIB);
    const { id } = await store(await open(mount), 'shop', { a: Buffer.from('rows') });
    mount.remount('ro');
    const repository = await open(mount);
    expect(await Array.fromAsync(repository.list())).toHaveLength(1);
    expect(await damagesOf(repository, id)).toEqual([]);
    {
      await using reading = await repository.open(id);
      expect((await buffer(await reading('a'))).toString()).toBe('rows');
    }
    const refused = { code: 'repository-read-only', message: expect.stringContaining('read-only') };
    await expect(repository.begin('shop', newId())).rejects.toMatchObject(refused);
    await expect(repository.begin('new', newId())).rejects.toMatchObject(refused);
    await expect(repository.remove(id)).rejects.toMatchObject(refused);
    await expect(repository.record(id, verificationOf(true, '2026-11-21T02:00:00.000Z'))).rejects.toMatchObject(
      refused,
    );
  });

  test('START-6 a disk that goes read-only during a backup: no backup, the earlier ones whole', async () => {
    await using mount = await tmpfs(4 * MIB);
    const repository = await open(mount);
    const { id } = await store(repository, 'shop', { a: Buffer.from('rows') });
    const backup = await (await open(mount, DEAD)).begin('shop', newId());
    const artifact = await backup.put('a', Readable.from([Buffer.from('more')]));
    mount.remount('ro');
    const refused = { code: 'repository-read-only' };
    await expect(backup.put('b', Readable.from([Buffer.from('more')]))).rejects.toMatchObject(refused);
    const manifest = manifestOf({ id: newId(), job: 'shop', artifacts: [artifact] });
    await expect(backup.commit(manifest)).rejects.toThrow();
    await backup[Symbol.asyncDispose]();
    expect((await Array.fromAsync(repository.list())).map((line) => line.id)).toEqual([id]);
    mount.remount('rw');
    expect((await Array.fromAsync(repository.leftovers())).map(({ kind }) => kind)).toContain('partial backup');
    await (await repository.begin('shop', newId()))[Symbol.asyncDispose]();
    expect(await Array.fromAsync(repository.leftovers())).toEqual([]);
  });

  test('START-6 a folder of another user: it says whose right is missing, as does one nobody may read', async () => {
    await using mount = await tmpfs(4 * MIB);
    const { id } = await store(await open(mount), 'shop', { a: Buffer.from('rows') });
    const nobody = 65_534;
    await mkdir(join(mount.path, 'own'));
    await chown(join(mount.path, 'own'), nobody, nobody);
    process.seteuid?.(nobody);
    try {
      await expect(open(mount)).rejects.toMatchObject({ code: 'repository-unreadable', exit: 10 });
      await expect(
        openDirectoryRepository(join(mount.path, 'new'), { create: true, runner: US }),
      ).rejects.toMatchObject({ code: 'repository-read-only', message: expect.stringContaining('permission denied') });
      const own = await openDirectoryRepository(join(mount.path, 'own'), { create: true, runner: US });
      await store(own, 'shop', { a: Buffer.from('rows') });
      await chmod(join(mount.path, 'own', 'backups', 'shop'), 0o500);
      await expect(own.begin('shop', newId())).rejects.toMatchObject({ code: 'repository-read-only' });
      expect(await Array.fromAsync(own.list())).toHaveLength(1);
    } finally {
      process.seteuid?.(0);
    }
    expect(await damagesOf(await open(mount), id)).toEqual([]);
  });
});
