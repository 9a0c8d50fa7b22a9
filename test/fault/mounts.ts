import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, open, rm, rmdir, statfs, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const isRoot = process.getuid?.() === 0;

/** A small file system of its own, unmounted on dispose. */
export interface Mount extends AsyncDisposable {
  readonly path: string;
  remount(options: string): void;
}

async function mounted(args: readonly string[]): Promise<Mount> {
  const path = await mkdtemp(join(tmpdir(), 'stillpoint-mount-'));
  execFileSync('mount', [...args, path]);
  await chmod(path, 0o755);
  return {
    path,
    remount: (options) => void execFileSync('mount', ['-o', `remount,${options}`, path]),
    async [Symbol.asyncDispose]() {
      execFileSync('umount', [path]);
      await rmdir(path);
    },
  };
}

export const tmpfs = (bytes: number): Promise<Mount> =>
  mounted(['-t', 'tmpfs', '-o', `size=${bytes}`, 'stillpoint-test']);

/** The file system in an image file, on a loop device. */
export const mountImage = (image: string, options = 'defaults'): Promise<Mount> =>
  mounted(['-o', `loop,${options}`, image]);

export async function makeImage(path: string, type: 'ext4' | 'xfs' | 'btrfs', bytes: number): Promise<void> {
  await writeFile(path, '');
  await truncate(path, bytes);
  execFileSync(`mkfs.${type}`, ['-q', path]);
}

/** A new file system on a loop device, and its image removed with it. */
export async function loopback(type: 'ext4' | 'xfs' | 'btrfs', bytes: number): Promise<Mount> {
  const folder = await mkdtemp(join(tmpdir(), 'stillpoint-loop-'));
  const image = join(folder, 'image');
  await makeImage(image, type, bytes);
  const mount = await mountImage(image);
  return {
    ...mount,
    async [Symbol.asyncDispose]() {
      await mount[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

/** XFS gives back what a removed file had a moment later. */
const GIVES_BACK = 150;

/** Fills a file system with one file until `free` bytes are left, and stay so. */
export async function fillUntil(mount: Mount, free: number): Promise<string> {
  const path = join(mount.path, 'ballast');
  const ballast = await open(path, 'w');
  const available = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(mount.path);
    return bavail * bsize;
  };
  const { bsize } = await statfs(mount.path);
  try {
    for (let refused = Number.NaN; ; ) {
      let left = (await available()) - free;
      if (left < bsize || left + free === refused) {
        await sleep(GIVES_BACK);
        const later = (await available()) - free;
        if (later <= left) return path;
        left = later;
      }
      try {
        await ballast.write(Buffer.alloc(Math.min(left, 1024 * 1024)));
        await ballast.sync();
      } catch (error) {
        // Some file systems count free what they do not give.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
        refused = await available();
      }
    }
  } finally {
    await ballast.close();
  }
}
