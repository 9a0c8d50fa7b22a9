import { stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { contains, type Mount, mountOf } from '../../runtimes/mounts.ts';

/** The top folder of every subvolume has this number, and nothing else has (BTRFS_FIRST_FREE_OBJECTID). */
const TOP = 256n;

/** A folder's subvolume, as this process reaches it. */
export interface Subvolume {
  /** Its top folder. */
  readonly top: string;
  /** The same from the top of the file system: `/data`. */
  readonly inside: string;
  /** Where the file system is mounted that it is reached by. */
  readonly mount: string;
  /** Its own number of device: equal wherever it is mounted. */
  readonly device: bigint;
}

/** Undefined when the top of its subvolume cannot be reached from the folder: only a part of it is mounted here. */
export async function subvolumeOf(mounts: readonly Mount[], folder: string): Promise<Subvolume | undefined> {
  const { dev: device } = await stat(folder, { bigint: true });
  for (let top = folder; ; top = dirname(top)) {
    const { dev, ino } = await stat(top, { bigint: true });
    if (dev !== device) return undefined;
    if (ino === TOP) return { top, inside: insideOf(mounts, top), mount: mountOf(mounts, top).point, device };
    if (top === '/') return undefined;
  }
}

/** A path from the top of its file system. By the mounts, because a bound folder is seen where it does not lie. */
export function insideOf(mounts: readonly Mount[], path: string): string {
  const { root, point } = mountOf(mounts, path);
  return join(root, relative(point, path));
}

/** A folder within its subvolume: `''` for the top; undefined when it lies elsewhere. */
export function belowTop(mounts: readonly Mount[], { inside }: Subvolume, folder: string): string | undefined {
  const path = insideOf(mounts, folder);
  return contains(inside, path) ? relative(inside, path) : undefined;
}
