import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openDirectoryRepository } from '../../../src/repositories/directory/index.ts';
import type { Repository } from '../../../src/repositories/repository.ts';
import { store, US, verificationOf } from '../../conformance/backups.ts';

let root: string;
let repository: Repository;
beforeEach(async () => {
  // An hour ahead, so that no file counts as too young to be cached.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
  root = await mkdtemp(join(tmpdir(), 'stillpoint-survey-'));
  repository = await openDirectoryRepository(root, { create: true, runner: US });
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(root, { recursive: true });
});

const index = () => join(root, '.index');
const manifestOf = async (nth: number): Promise<string> => {
  const files = await readdir(join(root, 'backups', 'shop'), { recursive: true });
  const manifests = files.filter((file) => /manifest\.json(\.gone)?$/.test(file)).sort();
  return join(root, 'backups', 'shop', manifests[nth % manifests.length] ?? '');
};
const flip = async (path: string) => {
  const bytes = await readFile(path);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  await writeFile(path, bytes);
};
const nthId = async (nth: number): Promise<string> => {
  const all = await Array.fromAsync(repository.list());
  return all[nth % Math.max(all.length, 1)]?.id ?? '';
};

/** Whatever Stillpoint does to a repository, and what a person or a disk may. */
const ACTS: Record<string, (nth: number) => Promise<unknown>> = {
  store: (nth) => store(repository, 'shop', { a: Buffer.from(`${nth}`) }),
  'verify, good': async (nth) => repository.record(await nthId(nth), verificationOf(true, new Date().toISOString())),
  'verify, bad': async (nth) => repository.record(await nthId(nth), verificationOf(false, new Date().toISOString())),
  pin: async (nth) => repository.pin(await nthId(nth), true),
  'let go': async (nth) => repository.pin(await nthId(nth), false),
  remove: async (nth) => repository.remove(await nthId(nth)),
  'flip a byte of a manifest': async (nth) => flip(await manifestOf(nth)),
  'take a manifest away': async (nth) => rename(await manifestOf(nth), `${await manifestOf(nth)}.gone`),
  'put it back': async (nth) => rename(await manifestOf(nth), (await manifestOf(nth)).replace('.gone', '')),
  'flip a byte of the cache': () => flip(join(index(), 'shop.json')),
  'half a cache': () => writeFile(join(index(), 'shop.json'), 'x'),
  'no cache': () => rm(index(), { recursive: true }),
  nothing: async () => {},
};

test('STORE-10 whatever happens to a repository, the cached list says what a reading of every backup says', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...Object.keys(ACTS)), fc.nat(5)), { minLength: 5, maxLength: 20 }),
      async (acts) => {
        await rm(join(root, 'backups'), { recursive: true, force: true });
        await rm(index(), { recursive: true, force: true });
        for (const [act, nth] of [['store', 0], ['store', 0], ...acts] as [string, number][]) {
          // An act may be impossible now, such as removing a pinned backup.
          await ACTS[act]?.(nth).catch(() => {});
          // The kernel's clock for files ticks every four milliseconds.
          await sleep(12);
          const cached = await repository.survey();
          await rm(index(), { recursive: true, force: true });
          expect({ act, ...cached }).toEqual({ act, ...(await repository.survey()) });
        }
      },
    ),
    { numRuns: 12 },
  );
}, 120_000);

test('STORE-10 an unchanged backup is not read again', async () => {
  for (let n = 0; n < 20; n += 1) await store(repository, 'shop', { a: Buffer.from('1') });
  await sleep(12);
  const first = await repository.survey();
  const text = await readFile(join(index(), 'shop.json'), 'utf8');
  expect(first.backups).toHaveLength(20);
  await repository.survey();
  expect(await readFile(join(index(), 'shop.json'), 'utf8')).toBe(text);
  expect(JSON.parse(text.slice(65))).toMatchObject({ complete: true });
});

test('STORE-10 what is younger than the clock of a file system can tell apart is not cached', async () => {
  vi.useRealTimers();
  await store(repository, 'shop', { a: Buffer.from('1') });
  await repository.survey();
  expect(await readdir(root)).not.toContain('.index');
});

test('STORE-10 where the cache cannot be written, the list is the same', async () => {
  await store(repository, 'shop', { a: Buffer.from('1') });
  await rm(index(), { recursive: true, force: true });
  await writeFile(index(), 'a file in its place');
  expect((await repository.survey()).backups).toHaveLength(1);
});
