import { randomBytes } from 'node:crypto';
import { rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Runner } from '../../hold/runner.ts';
import { StillpointError } from '../../model/errors.ts';
import type { BackupId } from '../../model/id.ts';
import { type Disk, errnoOf } from './disk.ts';
import { liveness, type Process, pidNamespace } from './holder.ts';

/**
 * A lock is an empty file in the job's folder, with everything about its holder in its name: it appears whole, needs no
 * byte of a full disk, and two contenders never write the same name. Each makes its own and then looks for others; both
 * may step back and try again, but never both go on. Nobody takes over a file: dead ones are ignored and removed.
 */
export interface Lock extends AsyncDisposable {
  readonly file?: string;
  /** Throws `repository-locked` if others took this process for dead, such as after the machine slept. */
  assertHeld(): Promise<void>;
}

/**
 * `backup` and `remove` exclude each other in a job. In one backup `remove` excludes all, and `copy`, which is one
 * coming in from another repository, itself.
 */
export type Purpose = 'backup' | 'remove' | 'read' | 'copy';

export interface Want {
  readonly purpose: Purpose;
  readonly id: BackupId;
  readonly us: Runner;
}

export interface Holder extends Process {
  readonly file: string;
  readonly purpose: Purpose;
  readonly id: BackupId;
}

/** A holder touches its lock this often. */
const REFRESH = 60_000;
/** A holder on another machine that has not for this long is dead. */
const SILENCE = 10 * 60_000;
const TRIES = 4;

/** Throws `repository-locked` naming the holder that is in the way. */
export async function lock(disk: Disk, folder: string, want: Want): Promise<Lock> {
  for (let left = TRIES; ; left -= 1) {
    const path = join(folder, await nameOf(want));
    const marked = await mark(disk, path, want.purpose);
    const other = await conflicting(disk, folder, path, want);
    if (other === undefined) return marked ? held(path) : UNMARKED;
    await rm(path, { force: true });
    if (left === 1) throw locked(other, want.purpose);
    // Two that saw each other step back for different times.
    await sleep(20 + Math.random() * 80);
  }
}

/**
 * Makes the lock's file. Two may go on without one, after looking for others: who reads where nothing can be written,
 * because nothing can be removed there either; and who reads or makes room where not even an empty file fits.
 */
async function mark(disk: Disk, path: string, purpose: Purpose): Promise<boolean> {
  try {
    await disk.create(path);
    return true;
  } catch (error) {
    const code = error instanceof StillpointError ? error.code : undefined;
    if (code === 'repository-read-only' && purpose === 'read') return false;
    if (code === 'repository-full' && (purpose === 'read' || purpose === 'remove')) return false;
    throw error;
  }
}

const UNMARKED: Lock = { assertHeld: async () => {}, [Symbol.asyncDispose]: async () => {} };

/** Locks in the job's folder, each with whether its holder is dead. */
export async function holders(
  disk: Disk,
  folder: string,
  us: Runner,
): Promise<readonly (Holder & { dead: boolean })[]> {
  const all = [];
  for (const file of await disk.names(folder)) {
    const holder = holderOf(folder, file);
    if (holder !== undefined) all.push({ ...holder, dead: await isDead(holder, us) });
  }
  return all;
}

async function conflicting(disk: Disk, folder: string, ours: string, want: Want): Promise<Holder | undefined> {
  for (const other of await holders(disk, folder, want.us)) {
    if (other.file === ours || !exclude(want, other)) continue;
    if (!other.dead) return other;
    await rm(other.file, { force: true });
  }
  return undefined;
}

function exclude(want: Want, other: Holder): boolean {
  const both = [want.purpose, other.purpose];
  if (!both.includes('read') && !both.includes('copy')) return true;
  return want.id === other.id && (both.includes('remove') || !both.includes('read')) && !both.includes('backup');
}

function held(path: string): Lock {
  const refresh = setInterval(async () => {
    const at = new Date();
    // A lock that is gone is noticed by assertHeld; a disk that is gone, by the next write.
    await Promise.allSettled([utimes(path, at, at)]);
  }, REFRESH);
  refresh.unref();
  return {
    file: path,
    async assertHeld() {
      if ((await ageOf(path)) !== undefined) return;
      throw new StillpointError('repository-locked', `The lock ${path} was taken away: this run was taken for dead.`, {
        meaning: 'No backup was made. Writes flow; earlier backups are untouched.',
        next: 'Did this machine sleep, or was its clock set? Run it again.',
      });
    },
    async [Symbol.asyncDispose]() {
      clearInterval(refresh);
      // Where it cannot be removed it dies with this process, and must not hide how the run went.
      await Promise.allSettled([rm(path, { force: true })]);
    },
  };
}

async function isDead(holder: Holder, us: Runner): Promise<boolean> {
  const state = await liveness(holder, us);
  if (state !== 'unknown') return state === 'dead';
  const age = await ageOf(holder.file);
  return age === undefined || age > SILENCE;
}

/** Milliseconds since the holder last touched its lock; undefined for one that is gone. */
async function ageOf(file: string): Promise<number | undefined> {
  try {
    return Date.now() - (await stat(file)).mtimeMs;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** `.lock~backup~7f3k9q2m~4711~889213~BOOT~NAMESPACE~NONCE~HOST` */
const PREFIX = '.lock';

async function nameOf({ purpose, id, us }: Want): Promise<string> {
  const host = us.host.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 80);
  const nonce = randomBytes(4).toString('hex');
  return [PREFIX, purpose, id, us.pid, us.processStart, us.bootId, await pidNamespace(), nonce, host].join('~');
}

function holderOf(folder: string, file: string): Holder | undefined {
  const [prefix, purpose, id, pid, processStart, bootId, namespace, nonce, host] = file.split('~');
  if (prefix !== PREFIX || !isPurpose(purpose) || nonce === undefined || host === undefined) return undefined;
  if (id === undefined || processStart === undefined || bootId === undefined || namespace === undefined)
    return undefined;
  return { file: join(folder, file), purpose, id, pid: Number(pid), processStart, bootId, namespace, host };
}

const isPurpose = (text: string | undefined): text is Purpose =>
  text === 'backup' || text === 'remove' || text === 'read' || text === 'copy';

const DOING: Readonly<Record<Purpose, string>> = {
  backup: 'backing up the same job',
  remove: 'removing a backup of this job',
  read: 'reading this backup',
  copy: 'copying this backup here',
};

const locked = (other: Holder, purpose: Purpose): StillpointError =>
  new StillpointError(
    'repository-locked',
    `Process ${other.pid} on ${other.host} is ${DOING[other.purpose]} (${other.id}), so this run cannot ${purpose} it now.`,
    {
      next:
        `Wait until it has ended. A dead process's lock is removed by itself: at once on ${other.host}, ` +
        `after ${SILENCE / 60_000} minutes elsewhere.`,
    },
  );
