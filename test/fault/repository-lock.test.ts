import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDirectoryRepository } from '../../src/repositories/directory/index.ts';
import { store, US } from '../conformance/backups.ts';

let folder: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillpoint-lock-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

async function holder(id: string): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'lock-holder.ts');
  const child = spawn(process.execPath, [script, folder, id], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout ?? child, 'data');
  return child;
}

test('STORE-4 START-6 a killed run: the next one begins at once and removes what it left', async () => {
  const child = await holder('7f3k9q2m');
  const repository = await openDirectoryRepository(folder, { create: false, runner: US });
  await expect(store(repository, 'shop', { a: Buffer.from('rows') })).rejects.toMatchObject({
    code: 'repository-locked',
    message: expect.stringContaining(`Process ${child.pid} on ${US.host}`),
  });
  child.kill('SIGKILL');
  await once(child, 'exit');
  const { id } = await store(repository, 'shop', { a: Buffer.from('rows') });
  expect((await Array.fromAsync(repository.list())).map((line) => line.id)).toEqual([id]);
  expect((await readdir(folder, { recursive: true })).filter((name) => /7f3k9q2m|lock/.test(name))).toEqual([]);
});

test('STORE-4 a suspended run keeps its lock: it may go on', async () => {
  const child = await holder('7f3k9q2m');
  child.kill('SIGSTOP');
  const repository = await openDirectoryRepository(folder, { create: false, runner: US });
  await expect(store(repository, 'shop', { a: Buffer.from('rows') })).rejects.toMatchObject({ exit: 11 });
});
