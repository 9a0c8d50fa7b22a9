import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encryptionOf } from '../../../src/config/encryption.ts';
import { parseConfig } from '../../../src/config/parse.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillpoint-encryption-'));
  await writeFile(join(folder, 'key'), 'AGE-SECRET-KEY-1\n');
});
afterAll(() => rm(folder, { recursive: true }));

const text = `repositories:
  safe: { directory: a, encryption: { recipients: [age1x], identity: { file: key } } }
  phrase: { directory: b, encryption: { passphrase: { env: PHRASE } } }
  open: { directory: c }
`;
const configured = (repository: string, environment: Record<string, string> = {}) =>
  encryptionOf({ path: join(folder, 'x.yaml'), data: parseConfig(text, 'x') }, repository, environment);

describe('STORE-1: how a repository encrypts', () => {
  test('as the configuration says; a file is relative to it', async () => {
    const safe = await configured('safe');
    expect(safe).toMatchObject({ recipients: ['age1x'] });
    expect((await safe.identity?.())?.reveal()).toBe('AGE-SECRET-KEY-1');
    const phrase = await configured('phrase', { PHRASE: 'secret' });
    expect((await phrase.passphrase?.())?.reveal()).toBe('secret');
    expect(await configured('open')).toEqual({});
  });

  test('else by the variables; nothing is read before it is needed', async () => {
    const own = await encryptionOf(undefined, undefined, { STILLPOINT_PASSPHRASE: 'p', STILLPOINT_IDENTITY: 'i' });
    expect((await own.passphrase?.())?.reveal()).toBe('p');
    expect((await own.identity?.())?.reveal()).toBe('i');
    await expect(configured('phrase')).resolves.toBeDefined();
    await expect((await configured('phrase')).passphrase?.()).rejects.toThrow('PHRASE is not set');
  });

  test('a passphrase of the environment never stands in for configured recipients', async () => {
    expect((await configured('safe', { STILLPOINT_PASSPHRASE: 'p' })).passphrase).toBeUndefined();
  });
});
