import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../../src/model/id.ts';
import { Secret } from '../../../src/model/secret.ts';
import type { Encryption } from '../../../src/repositories/codec/cipher.ts';
import { openDirectoryRepository } from '../../../src/repositories/directory/index.ts';
import { FORMAT, seal, unseal } from '../../../src/repositories/document.ts';
import { store, US } from '../../conformance/backups.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures');
const ID = '7f3k9q2m';
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillpoint-formats-'));
});
afterEach(() => rm(folder, { recursive: true }));

const unpack = (format: number): Buffer =>
  execFileSync('tar', ['-xf', join(FIXTURES, `repository-format-${format}.tar`), '-C', folder]);
const open = (kind: string, encryption: Encryption = {}) =>
  openDirectoryRepository(join(folder, kind), { create: false, runner: US, encryption });
const KEYS: Record<string, Encryption> = {
  plain: {},
  encrypted: { identity: async () => new Secret(await readFile(join(folder, 'key'), 'utf8')) },
  passphrase: { passphrase: async () => new Secret('correct horse battery') },
};

test('STORE-7 there is a fixture of every format', async () => {
  const expected = Array.from({ length: FORMAT }, (_, index) => `repository-format-${index + 1}.tar`);
  expect((await readdir(FIXTURES)).filter((file) => file.startsWith('repository-format')).sort()).toEqual(expected);
});

describe.each(Array.from({ length: FORMAT }, (_, index) => index + 1))('format %i', (format) => {
  test.each(Object.keys(KEYS))('STORE-7 is read, checked and added to: %s', async (kind) => {
    unpack(format);
    const repository = await open(kind, KEYS[kind]);
    expect(await repository.survey()).toMatchObject({
      backups: [{ id: ID, job: 'shop', verification: { good: true }, pinned: true, plainBytes: 25_002 }],
      damaged: [],
    });
    expect(await Array.fromAsync(repository.check(ID, new AbortController().signal))).toEqual([]);
    expect((await repository.manifest('shop@latest')).sources[0]?.excluded[0]?.text).toContain('public.prices');
    expect((await repository.verifications(ID))[0]?.compared.tables).toBe(1);
    await using reading = await repository.open(ID);
    expect((await buffer(await reading('orders.dump'))).toString()).toBe('rows\n'.repeat(5000));
    const { id } = await store(repository, 'shop', { a: Buffer.from('1') }, { id: newId() });
    expect((await repository.survey()).backups.map((line) => line.id)).toContain(id);
  });
});

describe('a newer format', () => {
  const NEWER = {
    code: 'repository-format',
    exit: 10,
    next: expect.stringContaining('npm install -g stillpoint@latest'),
  };
  const rewrite = async (path: string, change: object) => {
    const document = unseal(await readFile(path, 'utf8'), path);
    await writeFile(path, seal({ ...document, ...change }));
  };

  test('STORE-7 of the repository is refused with what to install', async () => {
    unpack(FORMAT);
    await rewrite(join(folder, 'plain', 'stillpoint.json'), { format: FORMAT + 1 });
    await expect(open('plain')).rejects.toMatchObject(NEWER);
  });

  test('STORE-7 of one manifest is told, naming what wrote it; the others are listed', async () => {
    unpack(FORMAT);
    const repository = await open('plain');
    const { id } = await store(repository, 'shop', { a: Buffer.from('1') });
    const job = join(folder, 'plain', 'backups', 'shop');
    const newer = (await readdir(job)).find((name) => name.includes(ID)) ?? '';
    await rewrite(join(job, newer, 'manifest.json'), { format: FORMAT + 1, tool: 'stillpoint 9.1.0' });
    const { backups, damaged } = await repository.survey();
    expect(backups.map((line) => line.id)).toEqual([id]);
    expect(damaged).toEqual([
      { where: join(job, newer), text: expect.stringContaining('written by stillpoint 9.1.0') },
    ]);
    await expect(repository.manifest(ID)).rejects.toMatchObject(NEWER);
    // It is not damaged, so nothing may take it for half made either.
    await store(repository, 'shop', { a: Buffer.from('1') });
    expect(await readdir(job)).toContain(newer);
  });

  test('STORE-7 a flipped format number is damage, not news', async () => {
    unpack(FORMAT);
    const path = join(folder, 'plain', 'stillpoint.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace(`"format": ${FORMAT}`, `"format": ${FORMAT + 1}`));
    await expect(open('plain')).rejects.toMatchObject({
      code: 'repository-missing',
      message: expect.stringContaining('damaged'),
    });
  });
});
