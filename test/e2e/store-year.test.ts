import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import { retain } from '../../src/repositories/retention.ts';
import { store, US, verificationOf } from '../conformance/backups.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillpoint-year-'));
});
afterEach(() => rm(folder, { recursive: true }));

const night = (day: number): string => new Date(Date.UTC(2026, 0, 1 + day, 2)).toISOString();

test('STORE-5 a year of nightly backups through forget, on disk: the newest verified one is always there and whole', async () => {
  const repository = await openDirectoryRepository(folder, { create: true, runner: US });
  const keep = { last: 3, daily: 7, weekly: 4, monthly: 12 };
  let verified = '';
  for (let day = 0; day < 365; day += 1) {
    const { id } = await store(repository, 'shop', { a: Buffer.from(`night ${day}`) }, { started: night(day) });
    // From April to June no verification succeeds.
    const good = day < 90 || day > 180;
    if (day % 3 === 0) await repository.record(id, verificationOf(good, night(day)));
    if (day % 3 === 0 && good) verified = id;
    const lines = await Array.fromAsync(repository.list());
    for (const verdict of retain(lines, keep, { now: night(day), timeZone: 'Europe/Berlin' })) {
      if (!verdict.keep) await repository.remove(verdict.id);
    }
    expect(await Array.fromAsync(repository.check(verified, new AbortController().signal))).toEqual([]);
  }
  const left = await Array.fromAsync(repository.list());
  expect(left.length).toBeGreaterThan(18);
  expect(left.length).toBeLessThan(30);
  expect(new Set(left.map(({ at }) => at.slice(0, 7))).size).toBe(12);
  expect(await readdir(join(folder, 'backups', 'shop'))).toHaveLength(left.length);
});
