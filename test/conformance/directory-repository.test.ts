import { mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import { repositoryConformance } from './repository.ts';

repositoryConformance('a repository in a directory', async () => {
  const root = await mkdtemp(join(tmpdir(), 'stillpoint-repository-'));
  return {
    open: (runner) => openDirectoryRepository(root, { create: true, runner }),
    names: async () => {
      const all = await readdir(root, { recursive: true, withFileTypes: true });
      return all.filter((one) => one.isFile()).map((one) => relative(root, join(one.parentPath, one.name)));
    },
    read: (name) => readFile(join(root, name)),
    write: (name, bytes) => writeFile(join(root, name), bytes),
    remove: (name) => unlink(join(root, name)),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
});
