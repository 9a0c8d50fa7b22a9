/** File systems on loop devices, for tests that cut snapshots, share extents or fill a disk up. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aptInstall, isRoot, locked, message, run, say, succeeds, until, which } from './machine.ts';

export type FileSystem = 'btrfs' | 'xfs' | 'ext4';

export interface Disk extends AsyncDisposable {
  /** Where it is mounted; its root folder belongs to root, mode 755. */
  readonly path: string;
  readonly device: string;
}

/** The package each mkfs is in; what Debian always has is named too. */
const packages: Record<FileSystem, string> = { btrfs: 'btrfs-progs', xfs: 'xfsprogs', ext4: 'e2fsprogs' };

/** Their mkfs refuses less. */
const leastMiB: Record<FileSystem, number> = { btrfs: 114, xfs: 300, ext4: 1 };

const prefix = 'stillpoint-disk-';

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);

const isMounted = async (path: string): Promise<boolean> =>
  (await readFile('/proc/self/mounts', 'utf8')).split('\n').some((line) => line.split(' ')[1] === path);

/** Undoes one disk, however far it got. A process may still be leaving the folder, so unmounting is tried for a while. */
const undo = async (folder: string): Promise<void> => {
  const path = join(folder, 'mount');
  const file = join(folder, 'disk.img');
  if (await isMounted(path)) {
    if (!(await until(5_000, () => succeeds('umount', ['--recursive', path])))) {
      say(`${path} is still in use: unmounting it lazily`);
      await run('umount', ['--recursive', '--lazy', path]);
    }
  }
  if (existsSync(file)) {
    const devices = await run('losetup', ['--noheadings', '--output', 'NAME', '--associated', file]);
    for (const device of devices.split('\n').map((line) => line.trim())) {
      if (device) await run('losetup', ['--detach', device]);
    }
  }
  await rm(folder, { recursive: true, force: true });
};

/** What killed runs left mounted: the folder's name has the number of the process it belonged to. */
const sweep = (): Promise<void> =>
  locked('disks', async () => {
    for (const name of await readdir(tmpdir())) {
      const pid = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
      if (!pid || isAlive(Number(pid))) continue;
      say(`removing ${name}, left by a run that was killed`);
      await undo(join(tmpdir(), name)).catch((error: unknown) => say(`cannot remove ${name}: ${message(error)}`));
    }
  });

const create = async (kind: FileSystem, sizeMiB: number, options: string[]): Promise<Disk> => {
  if (sizeMiB < leastMiB[kind]) throw new RangeError(`${kind} takes at least ${leastMiB[kind]} MiB, not ${sizeMiB}`);
  await aptInstall(packages[kind]);
  const folder = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`));
  try {
    const path = join(folder, 'mount');
    const file = join(folder, 'disk.img');
    await mkdir(path);
    // mkdtemp lets nobody else in; a server that runs as another user must reach its files.
    await chmod(folder, 0o711);
    await using handle = await open(file, 'wx', 0o600);
    await handle.truncate(sizeMiB * 1024 * 1024); // takes no space until it is written to
    await run(`mkfs.${kind}`, [...options, file]);
    const device = await run('losetup', ['--find', '--show', file]);
    await run('mount', ['-t', kind, device, path]);
    let gone: Promise<void> | undefined;
    const dispose = () => {
      gone ??= undo(folder);
      return gone;
    };
    return { path, device, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await undo(folder).catch(() => {});
    throw error;
  }
};

const mount = async (kind: FileSystem, sizeMiB: number, options: string[]): Promise<Disk> => {
  const reason = await canMount(kind);
  if (reason) throw new Error(`cannot mount ${kind}: ${reason}`);
  return create(kind, sizeMiB, options);
};

export const btrfs = ({ sizeMiB }: { sizeMiB: number }): Promise<Disk> => mount('btrfs', sizeMiB, ['-q']);

export const xfs = ({ sizeMiB, reflink }: { sizeMiB: number; reflink: boolean }): Promise<Disk> =>
  mount('xfs', sizeMiB, ['-q', '-m', `reflink=${reflink ? 1 : 0}`]);

/** No blocks kept for root, so that full is full for everybody. */
export const ext4 = ({ sizeMiB }: { sizeMiB: number }): Promise<Disk> =>
  mount('ext4', sizeMiB, ['-q', '-F', '-m', '0', '-E', 'lazy_itable_init=0,lazy_journal_init=0']);

const tried = new Map<FileSystem | 'any', Promise<string | undefined>>();

const once = (key: FileSystem | 'any', find: () => Promise<string | undefined>): Promise<string | undefined> => {
  const answer = tried.get(key) ?? find().catch(message);
  tried.set(key, answer);
  return answer;
};

/** Only mounting tells: root in a container may not be allowed to. */
const whyNone = async (): Promise<string | undefined> => {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Linux`;
  if (!isRoot()) return 'not root';
  if (!existsSync('/dev/loop-control')) return 'no loop device';
  await sweep();
  await using _ = await create('ext4', 8, ['-q', '-F']);
  return undefined;
};

const whyNot = async (kind: FileSystem): Promise<string | undefined> => {
  if (!(await which(`mkfs.${kind}`))) await aptInstall(packages[kind]);
  const known = async () => new RegExp(`\\t${kind}$`, 'm').test(await readFile('/proc/filesystems', 'utf8'));
  if (!(await known()) && !((await succeeds('modprobe', [kind])) && (await known())))
    return `the kernel has no ${kind}`;
  return undefined;
};

/**
 * Why file systems (one kind, or all three) cannot be mounted here, or undefined when they can. Installs the tools that
 * are missing, and removes what killed runs left behind.
 */
export const canMount = async (...kinds: FileSystem[]): Promise<string | undefined> => {
  const reason = await once('any', whyNone);
  if (reason) return reason;
  for (const kind of kinds.length > 0 ? kinds : (['btrfs', 'xfs', 'ext4'] as const)) {
    const reason = await once(kind, () => whyNot(kind));
    if (reason) return reason;
  }
  return undefined;
};
