import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Manifest } from '../../src/model/manifest.ts';
import { Secret } from '../../src/model/secret.ts';
import type { Encryption } from '../../src/repositories/codec/cipher.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import { createKeyFile } from '../../src/repositories/key-file.ts';
import { manifestOf, store, US, verificationOf } from '../conformance/backups.ts';
import { has } from '../conformance/programs.ts';

let root: string;
let recipient: string;
let manifest: Manifest;
const ID = '7f3k9q2m';
const ROWS = Buffer.from('COPY secret_salaries FROM stdin;\n'.repeat(1000));
const open = (encryption?: Encryption) =>
  openDirectoryRepository(join(root, 'store'), { create: true, runner: US, ...(encryption ? { encryption } : {}) });
const withKey = (name: string): Encryption => ({
  recipients: [recipient],
  identity: async () => new Secret(await readFile(join(root, name), 'utf8')),
});

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillpoint-encrypted-'));
  recipient = await createKeyFile(join(root, 'key'));
  await createKeyFile(join(root, 'other'));
  // Writing needs no private key: a production server holds only the public one.
  const repository = await open({ recipients: [recipient] });
  await using backup = await repository.begin('shop', ID);
  const artifacts = [await backup.put('orders.dump', Readable.from([ROWS, randomBytes(100_000)]))];
  manifest = manifestOf({ id: ID, job: 'shop', artifacts, table: 'public.secret_salaries' });
  await backup.commit(manifest);
  const bad = verificationOf(false, '2026-11-21T03:00:00.000Z');
  const differences = bad.differences.map((one) => ({ ...one, name: 'public.secret_salaries' }));
  await repository.record(ID, { ...bad, differences });
});
afterEach(() => rm(root, { recursive: true }));

test('STORE-1 nothing of the content is in plain text on disk: no rows, no table, database or path', async () => {
  const files = (await readdir(join(root, 'store'), { recursive: true, withFileTypes: true })).filter((it) =>
    it.isFile(),
  );
  expect(files.length).toBeGreaterThanOrEqual(4);
  for (const file of files) {
    const bytes = await readFile(join(file.parentPath, file.name));
    for (const secret of ['secret_salaries', 'COPY', '/var/lib/postgresql', '"shop"', '127.0.0.1', '0/3000148']) {
      const found = bytes.includes(secret) && !(secret === '"shop"' && bytes.includes('"job": "shop"'));
      expect({ file: file.name, secret, found }).toEqual({ file: file.name, secret, found: false });
    }
  }
});

test('STORE-1 listing and checking need no key; reading does, and tells a wrong one from damage', async () => {
  const keyless = await open();
  expect(await Array.fromAsync(keyless.list())).toMatchObject([{ id: ID, verification: { good: false } }]);
  expect(await Array.fromAsync(keyless.check(ID, new AbortController().signal))).toEqual([]);
  await expect(keyless.manifest(ID)).rejects.toMatchObject({ code: 'wrong-key', exit: 12 });
  const other = await open(withKey('other'));
  await expect(other.manifest(ID)).rejects.toMatchObject({ code: 'wrong-key', exit: 12 });
  await expect(other.open(ID)).rejects.toMatchObject({ code: 'wrong-key', exit: 12 });
  const ours = await open(withKey('key'));
  expect(await ours.manifest(ID)).toEqual(manifest);
  expect((await ours.verifications(ID))[0]?.differences[0]?.name).toBe('public.secret_salaries');
});

test('STORE-1 what is recorded later is encrypted for those of the backup, also by who has no key, or not at all', async () => {
  const keyless = await open();
  await keyless.record(ID, verificationOf(false, '2026-11-21T04:00:00.000Z'));
  expect(await (await open(withKey('key'))).verifications(ID)).toHaveLength(2);
  const passphrase = async () => new Secret('correct horse battery');
  const at = join(root, 'passphrase');
  const locked = await openDirectoryRepository(at, { create: true, runner: US, encryption: { passphrase } });
  await store(locked, 'shop', { a: Buffer.from('rows') }, { id: ID });
  const without = await openDirectoryRepository(at, { create: false, runner: US });
  const record = without.record(ID, verificationOf(false, '2026-11-21T04:00:00.000Z'));
  await expect(record).rejects.toMatchObject({ code: 'wrong-key' });
  expect((await Array.fromAsync(without.list()))[0]?.verification).toBeUndefined();
});

test.skipIf(!has('age') || !has('zstd') || !has('jq'))(
  'STORE-1 by hand: age and zstd give the rows, jq and age the manifest',
  async () => {
    const repository = await open(withKey('key'));
    const at = async (file: string) => repository.locate(ID, file);
    const shell = async (script: string, ...files: string[]) =>
      execFileSync('sh', ['-c', script, 'sh', join(root, 'key'), ...files], { maxBuffer: 1 << 26 });
    const rows = await shell('age -d -i "$1" "$2" | zstd -dc', await at('orders.dump.zst.age'));
    expect(rows.subarray(0, ROWS.length).equals(ROWS)).toBe(true);
    const own = await shell('jq -r .manifest "$2" | age -d -i "$1"', await at('manifest.json'));
    expect(JSON.parse(own.toString())).toEqual(manifest);
    const digest = `test "$(jq 'del(.sha256)' "$2" | head -c -1 | sha256sum | cut -d' ' -f1)" = "$(jq -r .sha256 "$2")"`;
    await shell(digest, await at('manifest.json'));
  },
);
