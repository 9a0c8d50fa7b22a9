import { createHash, randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Runner } from '../../src/hold/runner.ts';
import { newId } from '../../src/model/id.ts';
import type { Damage } from '../../src/model/manifest.ts';
import { copyBackup } from '../../src/repositories/copy.ts';
import type { Repository } from '../../src/repositories/repository.ts';
import { DEAD, manifestOf, store, US, verificationOf } from './backups.ts';

/** One empty repository; each `open` is another process's view of it. */
export interface RepositoryUnderTest extends AsyncDisposable {
  open(runner: Runner): Promise<Repository>;
  /** The stored files themselves, by their keys: `backups/JOB/…/manifest.json`. */
  names(): Promise<readonly string[]>;
  read(name: string): Promise<Buffer>;
  write(name: string, bytes: Buffer): Promise<void>;
  remove(name: string): Promise<void>;
}

const SIZES = [0, 1, 65_536, 4 * 1024 ** 2 - 1, 4 * 1024 ** 2, 4 * 1024 ** 2 + 1, 13_000_000];

/** What every repository owes its callers. */
export function repositoryConformance(name: string, make: () => Promise<RepositoryUnderTest>): void {
  describe(name, () => {
    let stored: RepositoryUnderTest;
    let repository: Repository;
    beforeEach(async () => {
      stored = await make();
      repository = await stored.open(US);
    });
    afterEach(() => stored[Symbol.asyncDispose]());

    const lines = () => Array.fromAsync(repository.list());
    const damages = (id: string): Promise<Damage[]> =>
      Array.fromAsync(repository.check(id, new AbortController().signal));
    const plain = async (id: string, artifact: string) => {
      await using open = await repository.open(id);
      return await buffer(await open(artifact));
    };
    const filesOf = async (id: string) => (await stored.names()).filter((file) => file.includes(id));

    test.each(SIZES)(
      'START-6 %i bytes come back as they were, with the digests of plain and stored bytes',
      async (size) => {
        const bytes = randomBytes(size);
        const { id, sources } = await store(repository, 'shop', { 'orders.dump': bytes });
        const [artifact] = sources.flatMap((source) => source.artifacts);
        expect(artifact).toMatchObject({ name: 'orders.dump', plainBytes: size, plainSha256: sha256(bytes) });
        const file = (await stored.names()).find((one) => one.endsWith(String(artifact?.file)));
        const kept = await stored.read(String(file));
        expect(artifact).toMatchObject({ storedBytes: kept.length, storedSha256: sha256(kept) });
        expect((await plain(id, 'orders.dump')).equals(bytes)).toBe(true);
        expect(await damages(id)).toEqual([]);
      },
    );

    test('START-6 several streams are stored at once, and progress ends at their lengths', async () => {
      const id = newId();
      const bytes = Array.from({ length: 4 }, () => randomBytes(5_000_000));
      const last: number[] = [];
      await using backup = await repository.begin('shop', id);
      const artifacts = await Promise.all(
        bytes.map((one, index) =>
          backup.put(`part${index}.tar`, chunked(one), (plainBytes) => {
            last[index] = plainBytes;
          }),
        ),
      );
      await backup.commit(manifestOf({ id, job: 'shop', artifacts }));
      expect(last).toEqual(bytes.map((one) => one.length));
      for (const [index, one] of bytes.entries()) {
        expect((await plain(id, `part${index}.tar`)).equals(one)).toBe(true);
      }
    });

    test('START-6 a backup is listed only after its manifest is written', async () => {
      const id = newId();
      {
        await using backup = await repository.begin('shop', id);
        const artifacts = [await backup.put('orders.dump', Readable.from([Buffer.from('rows')]))];
        expect(await lines()).toEqual([]);
        await expect(repository.manifest(id)).rejects.toMatchObject({ code: 'backup-not-found' });
        await backup.commit(manifestOf({ id, job: 'shop', artifacts }));
        expect((await lines()).map((line) => line.id)).toEqual([id]);
      }
      expect((await lines()).map((line) => line.id)).toEqual([id]);
    });

    test('START-6 dispose without commit removes every byte, streams that still run included', async () => {
      const id = newId();
      const endless = new PassThrough();
      let running: Promise<unknown> = Promise.resolve();
      {
        await using backup = await repository.begin('shop', id);
        await backup.put('orders.dump', Readable.from([Buffer.from('rows')]));
        running = expect(backup.put('more.dump', endless)).rejects.toThrow();
        endless.write(randomBytes(5_000_000));
        await sleep(50);
      }
      await running;
      expect((await stored.names()).filter((file) => file.startsWith('backups/'))).toEqual([]);
    });

    test('START-6 a stream that fails leaves nothing under its name, and its error is the one thrown', async () => {
      const id = newId();
      await using backup = await repository.begin('shop', id);
      const failing = Readable.from(
        (async function* () {
          yield randomBytes(9_000_000);
          throw new Error('pg_dump ended with status 1');
        })(),
      );
      await expect(backup.put('bad.dump', failing)).rejects.toThrow('pg_dump ended with status 1');
      const early = new PassThrough();
      early.destroy(new Error('refused'));
      await expect(backup.put('early.dump', early)).rejects.toThrow('refused');
      const cut = new PassThrough();
      cut.write(randomBytes(1000));
      setTimeout(() => cut.destroy(), 20);
      await expect(backup.put('cut.dump', cut)).rejects.toThrow();
      expect((await filesOf(id)).filter((file) => /bad|early|cut/.test(file))).toEqual([]);
      const good = await backup.put('good.dump', Readable.from([Buffer.from('rows')]));
      await backup.commit(manifestOf({ id, job: 'shop', artifacts: [good] }));
      expect(await damages(id)).toEqual([]);
    });

    test('START-6 a partial backup keeps the good streams only', async () => {
      const id = newId();
      await using backup = await repository.begin('shop', id);
      const good = await backup.put('good.dump', Readable.from([Buffer.from('rows')]));
      await backup.put('failed.dump', Readable.from([Buffer.from('rows')]));
      await backup.commit(manifestOf({ id, job: 'shop', artifacts: [good] }));
      expect((await filesOf(id)).filter((file) => file.includes('failed'))).toEqual([]);
    });

    test('START-6 a manifest that names what was not stored is refused', async () => {
      const id = newId();
      await using backup = await repository.begin('shop', id);
      const good = await backup.put('good.dump', Readable.from([Buffer.from('rows')]));
      const artifacts = [good, { ...good, name: 'other.dump', file: 'other.dump.zst' }];
      await expect(backup.commit(manifestOf({ id, job: 'shop', artifacts }))).rejects.toThrow('other.dump.zst');
      expect(await lines()).toEqual([]);
    });

    test('START-6 names that would leave the folder are refused', async () => {
      for (const bad of ['', '..', '../x', 'a/b', '.hidden', 'a\0b']) {
        await expect(repository.begin(bad, newId())).rejects.toMatchObject({ code: 'usage' });
      }
      await using backup = await repository.begin('shop', newId());
      await expect(backup.put('../orders.dump', Readable.from([]))).rejects.toMatchObject({ code: 'usage' });
    });

    test('START-6 list: newest first, the sum of each, and the newest verification', async () => {
      const old = await store(repository, 'shop', { a: Buffer.from('1') }, { started: '2026-11-20T02:00:00.000Z' });
      const young = await store(repository, 'crm', { a: Buffer.from('22') }, { started: '2026-11-21T02:00:00.000Z' });
      await repository.record(old.id, verificationOf(true, '2026-11-20T03:00:00.000Z'));
      await repository.record(old.id, verificationOf(false, '2026-11-20T04:00:00.000Z'));
      const [first, second] = await lines();
      expect(first).toMatchObject({ id: young.id, job: 'crm', plainBytes: 2, level: 'application' });
      expect(first?.verification).toBeUndefined();
      expect(second).toMatchObject({ id: old.id, verification: { at: '2026-11-20T04:00:00.000Z', good: false } });
      expect((await repository.verifications(old.id)).map((one) => one.good)).toEqual([true, false]);
    });

    test('STORE-5 the last verification counts, also where the clock was set back before it', async () => {
      const { id } = await store(repository, 'shop', { a: Buffer.from('1') });
      await repository.record(id, verificationOf(true, '2030-01-01T00:00:00.000Z'));
      await repository.record(id, verificationOf(true, '2026-11-20T03:00:00.000Z'));
      await repository.record(id, verificationOf(false, '2026-11-20T03:00:00.000Z'));
      expect((await lines())[0]?.verification).toEqual({ at: '2026-11-20T03:00:00.000Z', good: false });
      expect((await repository.verifications(id)).map((one) => one.good)).toEqual([true, true, false]);
    });

    test('START-6 record changes no byte of the backup', async () => {
      const { id } = await store(repository, 'shop', { a: Buffer.from('1') });
      const before = await Promise.all((await filesOf(id)).map((file) => stored.read(file)));
      const files = await filesOf(id);
      await repository.record(id, verificationOf(true, '2026-11-20T03:00:00.000Z'));
      expect(await Promise.all(files.map((file) => stored.read(file)))).toEqual(before);
      expect(await damages(id)).toEqual([]);
    });

    test('START-6 a backup is found by id, prefix, JOB@latest and latest', async () => {
      await expect(repository.manifest('latest')).rejects.toMatchObject({ code: 'backup-not-found' });
      const one = await store(repository, 'shop', { a: Buffer.from('1') }, { id: '7f3k9q2m' });
      expect(await repository.manifest('latest')).toEqual(one);
      const two = await store(repository, 'crm', { a: Buffer.from('1') }, { id: '7f3a9q2m' });
      expect(await repository.manifest('7f3k')).toEqual(one);
      expect(await repository.manifest('crm@latest')).toEqual(two);
      await expect(repository.manifest('7f3')).rejects.toMatchObject({ code: 'ambiguous' });
      await expect(repository.manifest('latest')).rejects.toMatchObject({ code: 'ambiguous' });
      await expect(repository.manifest('9')).rejects.toMatchObject({ code: 'backup-not-found' });
      await expect(repository.manifest('')).rejects.toMatchObject({ code: 'backup-not-found' });
      await expect(repository.manifest('web@latest')).rejects.toMatchObject({ code: 'backup-not-found' });
    });

    test('START-9 START-6 a second run of the job is refused and told who holds it; another job is not', async () => {
      const other = await stored.open(US);
      {
        await using _ = await repository.begin('shop', '7f3k9q2m');
        const refusal = other.begin('shop', newId());
        await expect(refusal).rejects.toMatchObject({ code: 'repository-locked', exit: 11 });
        await expect(refusal).rejects.toThrow(`Process ${US.pid} on ${US.host}`);
        await (await other.begin('crm', newId()))[Symbol.asyncDispose]();
      }
      await (await other.begin('shop', newId()))[Symbol.asyncDispose]();
    });

    test('START-6 of many runs that begin at once, never two go on', async () => {
      const runs = await Promise.allSettled(
        Array.from({ length: 8 }, async () => (await stored.open(US)).begin('shop', newId())),
      );
      expect(runs.filter((run) => run.status === 'fulfilled').length).toBeLessThanOrEqual(1);
      for (const run of runs) if (run.status === 'fulfilled') await run.value[Symbol.asyncDispose]();
    });

    test('START-6 what a dead run left is told, and removed by the next one of its job', async () => {
      const whole = await store(repository, 'shop', { a: Buffer.from('1') });
      const dead = newId();
      const left = await (await stored.open(DEAD)).begin('shop', dead);
      await left.put('orders.dump', Readable.from([randomBytes(1000)]));
      const told = await Array.fromAsync(repository.leftovers());
      expect(told.map(({ run, kind }) => ({ run, kind }))).toEqual(
        expect.arrayContaining([
          { run: dead, kind: 'partial backup' },
          { run: dead, kind: 'repository lock' },
        ]),
      );
      await (await repository.begin('shop', newId()))[Symbol.asyncDispose]();
      expect(await filesOf(dead)).toEqual([]);
      expect(await Array.fromAsync(repository.leftovers())).toEqual([]);
      expect((await lines()).map((line) => line.id)).toEqual([whole.id]);
    });

    test('START-6 recover removes what a dead run left, and nothing of a live one', async () => {
      const dead = newId();
      await (await (await stored.open(DEAD)).begin('shop', dead)).put('a', Readable.from([randomBytes(1000)]));
      const live = newId();
      await using backup = await (await stored.open(US)).begin('crm', live);
      const artifacts = [await backup.put('a', Readable.from([Buffer.from('1')]))];
      for await (const leftover of repository.leftovers()) {
        expect(leftover.run).toBe(dead);
        await leftover.remove();
        await leftover.remove();
      }
      expect(await filesOf(dead)).toEqual([]);
      await backup.commit(manifestOf({ id: live, job: 'crm', artifacts }));
      expect((await lines()).map((line) => line.id)).toEqual([live]);
    });

    test('START-6 remove takes one backup and leaves the others whole; not while it is being read', async () => {
      const one = await store(repository, 'shop', { a: Buffer.from('1') });
      const two = await store(repository, 'shop', { a: Buffer.from('2') });
      {
        await using open = await repository.open(one.id);
        await expect(repository.remove(one.id)).rejects.toMatchObject({ code: 'repository-locked' });
        expect((await buffer(await open('a'))).toString()).toBe('1');
      }
      await repository.remove(one.id);
      expect(await filesOf(one.id)).toEqual([]);
      expect((await lines()).map((line) => line.id)).toEqual([two.id]);
      expect(await damages(two.id)).toEqual([]);
      await expect(repository.remove(one.id)).rejects.toMatchObject({ code: 'backup-not-found' });
    });

    test('STORE-5 a pinned backup is listed as such and never removed, until it is let go', async () => {
      const { id } = await store(repository, 'shop', { a: Buffer.from('1') });
      await repository.pin(id, true);
      await repository.pin(id, true);
      expect((await lines())[0]).toMatchObject({ id, pinned: true });
      await expect(repository.remove(id)).rejects.toMatchObject({ code: 'preflight' });
      expect(await damages(id)).toEqual([]);
      await repository.pin(id, false);
      await repository.pin(id, false);
      expect((await lines())[0]?.pinned).toBeUndefined();
      await repository.remove(id);
      await expect(repository.pin(id, true)).rejects.toMatchObject({ code: 'backup-not-found' });
    });

    const HARMS: Record<string, (bytes: Buffer, sibling: Buffer) => Buffer | undefined> = {
      'three flipped bytes': (bytes) => flipped(bytes, 3),
      'cut by one byte': (bytes) => bytes.subarray(0, -1),
      'one byte longer': (bytes) => Buffer.concat([bytes, Buffer.from([0])]),
      'zeroed 4 KiB': (bytes) => Buffer.from(bytes).fill(0, 0, Math.min(bytes.length, 4096)),
      emptied: () => Buffer.alloc(0),
      removed: () => undefined,
      'swapped with that of another backup': (_, sibling) => sibling,
    };
    for (const [harm, change] of Object.entries(HARMS)) {
      test(`STORE-2 START-6 every file of a backup, ${harm}: found, never listed or restored as good`, async () => {
        const sibling = await store(repository, 'shop', { a: randomBytes(100_000), b: randomBytes(50) });
        const { id } = await store(repository, 'shop', { a: randomBytes(100_000), b: randomBytes(50) });
        for (const each of [sibling.id, id]) {
          await repository.record(each, verificationOf(true, '2026-11-20T03:00:00.000Z'));
        }
        const siblings = await filesOf(sibling.id);
        for (const [index, file] of (await filesOf(id)).entries()) {
          const good = await stored.read(file);
          const harmed = change(good, await stored.read(String(siblings[index])));
          await (harmed === undefined ? stored.remove(file) : stored.write(file, harmed));
          await expectFound(id, file, harmed === undefined);
          await stored.write(file, good);
          expect(await damages(id)).toEqual([]);
        }
        expect(await damages(sibling.id)).toEqual([]);
      });
    }

    describe('copied to a further one', () => {
      let further: RepositoryUnderTest;
      let target: Repository;
      beforeEach(async () => {
        further = await make();
        target = await further.open(US);
      });
      afterEach(() => further[Symbol.asyncDispose]());
      const never = new AbortController().signal;
      const inFurther = async (id: string) => (await further.names()).filter((file) => file.includes(id));

      test('STORE-6 the same bytes, verifications included; a second time there is nothing to do', async () => {
        const { id } = await store(repository, 'shop', { a: randomBytes(3_000_000), b: randomBytes(50) });
        await repository.record(id, verificationOf(true, '2026-11-20T03:00:00.000Z'));
        let told = 0;
        const taken = await copyBackup(repository, target, id, never, (bytes) => {
          told = bytes;
        });
        const [line] = await lines();
        expect(taken).toEqual({ foundBytes: 0, copiedBytes: line?.storedBytes });
        expect(told).toBe(line?.storedBytes);
        expect(await Array.fromAsync(target.list())).toEqual([line]);
        expect(await inFurther(id)).toEqual(await filesOf(id));
        for (const file of await filesOf(id)) expect(await further.read(file)).toEqual(await stored.read(file));
        const again = await copyBackup(repository, target, id, never);
        expect(again).toEqual({ foundBytes: line?.storedBytes, copiedBytes: 0 });
        // Verified since: what holds for these bytes here holds for them there.
        await repository.record(id, verificationOf(false, '2026-11-20T04:00:00.000Z'));
        await copyBackup(repository, target, id, never);
        expect(await Array.fromAsync(target.list())).toEqual(await lines());
      });

      test('STORE-6 a pin stays where it was set: each repository has its own room, and its own retention', async () => {
        const { id } = await store(repository, 'shop', { a: randomBytes(50) });
        await repository.pin(id, true);
        await copyBackup(repository, target, id, never);
        expect((await Array.fromAsync(target.list())).map((it) => it.pinned)).toEqual([undefined]);
        await target.pin(id, true);
        await repository.pin(id, false);
        await copyBackup(repository, target, id, never);
        expect((await Array.fromAsync(target.list())).map((it) => it.pinned)).toEqual([true]);
      });

      test('STORE-6 a copy that is cut is never listed, and goes on where it was', async () => {
        const { id } = await store(repository, 'shop', { a: randomBytes(2_000_000), b: randomBytes(9_000_000) });
        const total = (await lines())[0]?.storedBytes ?? 0;
        const controller = new AbortController();
        const cut = copyBackup(repository, target, id, controller.signal, (bytes) => {
          if (bytes > total / 2) controller.abort(new Error('cut'));
        });
        await expect(cut).rejects.toThrow('cut');
        expect(await Array.fromAsync(target.list())).toEqual([]);
        expect((await Array.fromAsync(target.leftovers())).map(({ run, kind }) => `${kind} ${run}`)).toEqual([
          `partial copy ${id}`,
        ]);
        // A backup of the same job in between takes none of it away.
        await store(target, 'shop', { a: Buffer.from('1') });
        const { foundBytes, copiedBytes } = await copyBackup(repository, target, id, never);
        expect(foundBytes).toBeGreaterThan(total / 2);
        expect(foundBytes + copiedBytes).toBe(total);
        expect(await Array.fromAsync(target.check(id, never))).toEqual([]);
        expect(await inFurther(id)).toEqual(await filesOf(id));
      });

      test('STORE-6 what a power cut made of a partial copy is found and fetched again', async () => {
        const { id } = await store(repository, 'shop', { a: randomBytes(9_000_000) });
        const controller = new AbortController();
        const cut = copyBackup(repository, target, id, controller.signal, () => controller.abort(new Error('cut')));
        await expect(cut).rejects.toThrow('cut');
        for (const file of await inFurther(id)) {
          if (!file.includes('lock')) await further.write(file, flipped(await further.read(file), 3));
        }
        await copyBackup(repository, target, id, never);
        expect(await Array.fromAsync(target.check(id, never))).toEqual([]);
      });

      test('STORE-6 damaged bytes are not copied, and it is said which', async () => {
        const { id } = await store(repository, 'shop', { a: randomBytes(100_000) });
        const file = String((await filesOf(id)).find((one) => one.includes('/a.')));
        const good = await stored.read(file);
        for (const bad of [flipped(good, 3), good.subarray(0, -1), Buffer.concat([good, Buffer.from('x')])]) {
          await stored.write(file, bad);
          await expect(copyBackup(repository, target, id, never)).rejects.toMatchObject({
            code: 'damaged',
            message: expect.stringContaining(id),
          });
        }
        await stored.remove(file);
        await expect(copyBackup(repository, target, id, never)).rejects.toMatchObject({ code: 'damaged' });
        expect(await Array.fromAsync(target.list())).toEqual([]);
        await stored.write(file, good);
        await copyBackup(repository, target, id, never);
        expect(await Array.fromAsync(target.check(id, never))).toEqual([]);
      });

      test('STORE-6 while it is copied a backup is not removed, and not copied twice to one place', async () => {
        const { id } = await store(repository, 'shop', { a: randomBytes(100_000) });
        await using backup = await repository.stored(id);
        await expect(repository.remove(id)).rejects.toMatchObject({ code: 'repository-locked' });
        const second = await further.open(US);
        const both = await Promise.allSettled([target.take(backup, never), second.take(backup, never)]);
        expect(both.filter((one) => one.status === 'fulfilled').length).toBeGreaterThanOrEqual(1);
        expect(await Array.fromAsync(target.check(id, never))).toEqual([]);
      });

      test('STORE-6 a copy that was damaged there is told, not overwritten', async () => {
        const { id } = await store(repository, 'shop', { a: Buffer.from('1') });
        await copyBackup(repository, target, id, never);
        const manifest = String((await inFurther(id)).find((one) => one.endsWith('manifest.json')));
        const bad = flipped(await further.read(manifest), 3);
        await further.write(manifest, bad);
        await expect(copyBackup(repository, target, id, never)).rejects.toMatchObject({ code: 'damaged' });
        expect(await further.read(manifest)).toEqual(bad);
      });
    });

    async function expectFound(id: string, file: string, removed: boolean): Promise<void> {
      const line = (await lines()).find((one) => one.id === id);
      if (file.endsWith('manifest.json')) {
        expect(line).toBeUndefined();
        await expect(repository.manifest(id)).rejects.toMatchObject({
          code: removed ? 'backup-not-found' : 'damaged',
        });
        if (!removed) {
          expect(await damages(id)).toHaveLength(1);
          const told = await Array.fromAsync(repository.damaged());
          expect(told.map(({ where }) => where)).toEqual([expect.stringContaining(id)]);
        }
      } else if (file.includes('verification')) {
        expect(line?.verification).toBeUndefined();
        if (!removed) expect(await damages(id)).toHaveLength(1);
      } else {
        expect(await damages(id)).toEqual([{ file: file.split('/').at(-1), text: expect.any(String) }]);
        const artifact = file.includes('/a.') ? 'a' : 'b';
        await expect(plain(id, artifact)).rejects.toMatchObject({ code: 'damaged' });
      }
    }

    test('START-6 latest stops at a damaged newest backup instead of silently going further back', async () => {
      await store(repository, 'shop', { a: Buffer.from('1') });
      await sleep(1100);
      const { id } = await store(repository, 'shop', { a: Buffer.from('2') });
      const file = String((await filesOf(id)).find((one) => one.endsWith('manifest.json')));
      await stored.write(file, flipped(await stored.read(file), 3));
      await expect(repository.manifest('latest')).rejects.toMatchObject({ code: 'damaged' });
      expect(await lines()).toHaveLength(1);
    });
  });
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A stream in chunks of uneven lengths. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7 + 3) % 200_000) {
    yield bytes.subarray(at, at + size);
  }
}
const chunked = (bytes: Buffer): Readable => Readable.from(pieces(bytes));

function flipped(bytes: Buffer, count: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let n = 1; n <= count; n += 1) {
    const at = Math.floor((bytes.length * n) / (count + 1));
    copy[at] = (copy[at] ?? 0) ^ 0x10;
  }
  return copy;
}
