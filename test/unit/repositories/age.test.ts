import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Secret } from '../../../src/model/secret.ts';
import { decrypt, encrypt } from '../../../src/repositories/codec/age.ts';
import { Cipher } from '../../../src/repositories/codec/cipher.ts';
import { createKeyFile } from '../../../src/repositories/key-file.ts';
import { has } from '../../conformance/programs.ts';

const CHUNK = 65_536;
const SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 1_000_000];

let folder: string;
const keys: { path: string; recipient: string; identity: string }[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillpoint-age-'));
  for (const name of ['one', 'two', 'three']) {
    const path = join(folder, name);
    const recipient = await createKeyFile(path);
    keys.push({ path, recipient, identity: (await readFile(path, 'utf8')).split('\n')[2] ?? '' });
  }
});
afterAll(() => rm(folder, { recursive: true }));

const key = (index: number) => keys[index] ?? { path: '', recipient: '', identity: '' };
const to = (...indexes: number[]) => ({ recipients: indexes.map((index) => key(index).recipient), identities: [] });
const withKey = (...indexes: number[]) => ({ recipients: [], identities: indexes.map((index) => key(index).identity) });
const gather = (chunks: AsyncIterable<Buffer>): Promise<Buffer> => buffer(Readable.from(chunks));
const inChunks = (bytes: Buffer, size: number): AsyncIterable<Buffer> =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    })(),
  );
const age = (args: readonly string[], input: Buffer): Buffer =>
  execFileSync('age', args, { input, maxBuffer: 1 << 28 });

const hasAge = has('age') && has('age-keygen');

describe('age', () => {
  test.each(SIZES)(
    'STORE-1 the age program reads what we write, with the key of any recipient: %i bytes',
    async (size) => {
      const plain = randomBytes(size);
      const stored = await gather(encrypt(inChunks(plain, 50_000), to(0, 1)));
      for (const { path } of [key(0), key(1)]) expect(age(['-d', '-i', path], stored).equals(plain)).toBe(true);
      expect(spawnSync('age', ['-d', '-i', key(2).path], { input: stored }).status).not.toBe(0);
    },
  );

  test.skipIf(!hasAge).each(SIZES)(
    'STORE-1 we read what the age program writes, in chunks of any size: %i bytes',
    async (size) => {
      const plain = randomBytes(size);
      const stored = age(['-r', key(0).recipient, '-r', key(1).recipient], plain);
      for (const chunk of [997, 1 << 16, 1 << 22]) {
        expect((await gather(decrypt(inChunks(stored, chunk), withKey(2, 1)))).equals(plain)).toBe(true);
      }
    },
  );

  test('STORE-1 another key is told as such, and every kind of damage as damage', async () => {
    const plain = randomBytes(3 * CHUNK);
    const stored = await gather(encrypt(inChunks(plain, CHUNK), to(0)));
    const read = (bytes: Buffer, keysToTry = withKey(0)) => gather(decrypt(inChunks(bytes, 10_000), keysToTry));
    await expect(read(stored, withKey(1, 2))).rejects.toMatchObject({ code: 'wrong-key', exit: 12 });
    for (const at of [30, 190, stored.length - CHUNK - 1000, stored.length - 1]) {
      const flipped = Buffer.from(stored);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      await expect(read(flipped)).rejects.toThrow();
    }
    for (const cut of [1, 16, 17, CHUNK, CHUNK + 16, 2 * (CHUNK + 16), stored.length - 100]) {
      await expect(read(stored.subarray(0, -cut))).rejects.toThrow();
    }
    await expect(read(Buffer.concat([stored, Buffer.from('x')]))).rejects.toThrow();
    const sealedChunk = CHUNK + 16;
    const first = stored.length - 3 * sealedChunk;
    const swapped = Buffer.concat([
      stored.subarray(0, first),
      stored.subarray(first + sealedChunk, first + 2 * sealedChunk),
      stored.subarray(first, first + sealedChunk),
      stored.subarray(first + 2 * sealedChunk),
    ]);
    await expect(read(swapped)).rejects.toThrow('does not match its seal');
  });

  test.skipIf(!hasAge)(
    'STORE-1 a passphrase opens, another one is a wrong key, and the age program asks for it',
    async () => {
      const plain = randomBytes(100_000);
      const none = { recipients: [], identities: [] };
      const stored = await gather(encrypt(inChunks(plain, CHUNK), { ...none, passphrase: 'correct horse battery' }));
      const right = { ...none, passphrase: 'correct horse battery' };
      expect((await gather(decrypt(inChunks(stored, CHUNK), right))).equals(plain)).toBe(true);
      const wrong = gather(decrypt(inChunks(stored, CHUNK), { ...none, passphrase: 'correct horse' }));
      await expect(wrong).rejects.toMatchObject({ code: 'wrong-key' });
      await expect(gather(decrypt(inChunks(stored, CHUNK), withKey(0)))).rejects.toMatchObject({ code: 'wrong-key' });
      // age reads passphrases from a terminal only; script(1) is one.
      await writeFile(join(folder, 'locked.age'), stored);
      const command = `age -d -o ${folder}/opened ${folder}/locked.age`;
      spawnSync('script', ['-qec', command, '/dev/null'], { input: 'correct horse battery\n' });
      expect((await readFile(join(folder, 'opened'))).equals(plain)).toBe(true);
    },
  );

  test.skipIf(!hasAge)(
    'STORE-1 init makes a key that only its owner may read, as age-keygen writes it, and never overwrites one',
    async () => {
      const { path, recipient } = key(0);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect(execFileSync('age-keygen', ['-y', path], { encoding: 'utf8' }).trim()).toBe(recipient);
      await expect(createKeyFile(path)).rejects.toMatchObject({ code: 'EEXIST' });
    },
  );

  test('STORE-1 a key file may hold several keys and comments, or be locked with the passphrase', async () => {
    const text = await new Cipher({ recipients: [key(1).recipient] }).encryptText('rows');
    const file = `# mine\n\n${key(0).identity}\n# old\n${key(1).identity}\n`;
    const open = (cipher: Cipher) => cipher.decryptText(text, 'Backup 7f3k9q2m', [key(1).recipient]);
    expect(await open(new Cipher({ identity: async () => new Secret(file) }))).toBe('rows');
    const passphrase = async () => new Secret('correct horse battery');
    const locked = await new Cipher({ passphrase }).encryptText(file);
    expect(await open(new Cipher({ passphrase, identity: async () => new Secret(locked) }))).toBe('rows');
  });

  test('STORE-1 what cannot be used as a key is refused, and never quoted', async () => {
    const almost = key(0).identity.replace('AGE-SECRET', 'AGE-SECRT');
    const bad = new Cipher({ identity: async () => new Secret(almost) }).decryptText('', 'x', []);
    await expect(bad).rejects.toMatchObject({
      code: 'wrong-key',
      message: expect.not.stringContaining(almost.slice(20)),
    });
    await expect(new Cipher({ recipients: ['age1nonsense'] }).assertUsable()).rejects.toMatchObject({
      code: 'config-invalid',
    });
    await expect(new Cipher({ passphrase: async () => new Secret('') }).assertUsable()).rejects.toThrow('empty');
  });

  test('STORE-1 a wrong key is told with the one that was given and those that fit', async () => {
    const text = await new Cipher({ recipients: [key(1).recipient] }).encryptText('rows');
    const read = (cipher: Cipher) => cipher.decryptText(text, 'Backup 7f3k9q2m', [key(1).recipient]);
    const other = read(new Cipher({ identity: async () => new Secret(key(0).identity) }));
    await expect(other).rejects.toThrow(`for ${key(1).recipient}; the given key is that of ${key(0).recipient}.`);
    await expect(read(new Cipher())).rejects.toThrow('no key is given');
  });
});
