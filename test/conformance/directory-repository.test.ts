import { mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { Secret } from '../../src/model/secret.ts';
import type { Encryption } from '../../src/repositories/codec/cipher.ts';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import { repositoryConformance } from './repository.ts';

const key = await generateX25519Identity();
const encryption: Encryption = {
  recipients: [await identityToRecipient(key)],
  identity: async () => new Secret(key),
};

async function directory(options: { encryption?: Encryption }) {
  const root = await mkdtemp(join(tmpdir(), 'stillpoint-repository-'));
  return {
    open: (runner: Parameters<typeof openDirectoryRepository>[1]['runner']) =>
      openDirectoryRepository(root, { create: true, runner, ...options }),
    names: async () => {
      const all = await readdir(root, { recursive: true, withFileTypes: true });
      return all.filter((one) => one.isFile()).map((one) => relative(root, join(one.parentPath, one.name)));
    },
    read: (name: string) => readFile(join(root, name)),
    write: (name: string, bytes: Buffer) => writeFile(join(root, name), bytes),
    remove: (name: string) => unlink(join(root, name)),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}

repositoryConformance('a repository in a directory', () => directory({}));
repositoryConformance('an encrypted repository in a directory', () => directory({ encryption }));
