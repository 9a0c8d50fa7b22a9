import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && ['ENOENT', 'ESRCH'].includes(String(error.code));

/** Undefined when the file or the process behind it is gone. */
async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The processes whose program lies in `folder`. By command line: /proc/PID/exe of another user is closed to root in a container. */
async function running(folder: string): Promise<number[]> {
  const pids: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const argv = await read(`/proc/${entry}/cmdline`);
    if (argv?.startsWith(`${folder}/`)) pids.push(Number(entry));
  }
  return pids;
}

/** False when it is gone already. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Ends every program of `folder`: SIGQUIT lets a server end its children and free its shared memory; then SIGKILL. */
async function endPrograms(folder: string): Promise<void> {
  for (const [name, patience] of [['SIGQUIT', 8_000] as const, ['SIGKILL', 5_000] as const]) {
    const told = new Set<number>();
    for (const until = Date.now() + patience; Date.now() < until; await sleep(20)) {
      const pids = await running(folder);
      if (pids.length === 0) return;
      for (const pid of pids) {
        if (told.has(pid)) continue;
        told.add(pid);
        signal(pid, name);
        signal(pid, 'SIGCONT');
      }
    }
  }
  throw new Error(`processes of ${folder} do not end: ${(await running(folder)).join(', ')}`);
}

/** The System V segment of the server in `folder`: line 7 of postmaster.pid names it. Undefined when it is gone. */
async function segment(folder: string): Promise<{ readonly id: string; readonly attached: number } | undefined> {
  const id = (await read(join(folder, 'data', 'postmaster.pid')))?.split('\n')[6]?.trim().split(/\s+/)[1];
  if (id === undefined) return undefined;
  for (const line of (await readFile('/proc/sysvipc/shm', 'utf8')).split('\n')) {
    const [, shmid, , , , , attached] = line.trim().split(/\s+/);
    if (shmid === id) return { id, attached: Number(attached) };
  }
  return undefined;
}

/** Resolves when the children of a killed server are gone too: before that the data directory takes no other server. */
export async function abandoned(folder: string): Promise<void> {
  while (((await segment(folder))?.attached ?? 0) > 0) await sleep(10);
}

/** A server that was killed leaves its segment. One that somebody is attached to is another server's by now. */
async function freeSharedMemory(folder: string): Promise<void> {
  const left = await segment(folder);
  if (left?.attached === 0) await execa('ipcrm', ['--shmem-id', left.id]);
}

/** Ends everything that was started from `folder` and removes it. */
export async function endFolder(folder: string): Promise<void> {
  await endPrograms(folder);
  await freeSharedMemory(folder);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
