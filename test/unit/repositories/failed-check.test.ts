import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDirectoryRepository } from '../../../src/repositories/directory/index.ts';
import { failedCheck } from '../../../src/repositories/failed-check.ts';
import { retain } from '../../../src/repositories/retention.ts';
import { store, US, verificationOf } from '../../conformance/backups.ts';

test('STORE-2 STORE-5 a backup that check found damaged is no longer the newest verified one: an older one stays', async () => {
  const root = await mkdtemp(join(tmpdir(), 'stillpoint-check-'));
  try {
    const repository = await openDirectoryRepository(root, { create: true, runner: US });
    const contents = { 'orders.dump': Buffer.from('rows') };
    const old = await store(repository, 'shop', contents, { started: '2026-11-20T02:00:00.000Z' });
    const young = await store(repository, 'shop', contents, { started: '2026-11-21T02:00:00.000Z' });
    for (const { id } of [old, young]) await repository.record(id, verificationOf(true, '2026-11-21T03:00:00.000Z'));
    const folder = (await readdir(join(root, 'backups', 'shop'))).find((name) => name.endsWith(young.id)) ?? '';
    await truncate(join(root, 'backups', 'shop', folder, 'orders.dump.zst'), 3);

    const kept = async () => {
      const lines = await Array.fromAsync(repository.list());
      const options = { now: '2026-11-22T02:00:00.000Z', timeZone: 'UTC' };
      return retain(lines, { last: 1 }, options).flatMap(({ id, keep }) => (keep ? [id] : []));
    };
    expect(await kept()).toEqual([young.id]);
    const damage = await Array.fromAsync(repository.check(young.id, new AbortController().signal));
    expect(damage).toHaveLength(1);
    await repository.record(young.id, failedCheck(damage, { tool: 'test', at: '2026-11-22T01:00:00.000Z', millis: 1 }));
    expect(await kept()).toEqual([young.id, old.id]);
    expect((await repository.verifications(young.id)).at(-1)?.differences).toEqual([
      { source: 'orders', kind: 'stored file', name: 'orders.dump.zst', text: 'has 3 bytes, 17 were stored' },
    ]);
  } finally {
    await rm(root, { recursive: true });
  }
});
