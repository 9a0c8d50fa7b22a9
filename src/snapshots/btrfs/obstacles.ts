import { access, constants } from 'node:fs/promises';
import { messageOf } from '../../model/errors.ts';
import type { Reason } from '../../model/level.ts';
import type { Volume } from '../../model/storage.ts';
import { contains, type Mount } from '../../runtimes/mounts.ts';
import { runProgram } from '../program.ts';
import { mountedBelow } from '../same.ts';
import { isOurs } from './place.ts';
import { lowSpace } from './space.ts';
import { insideOf, type Subvolume, subvolumeOf } from './subvolume.ts';

/** Looking at one thing. */
const LOOK = 10_000;

/** What a volume's own place tells before anything is looked at. */
export function unfit({ kind, fileSystem, hostPath, path }: Volume): Reason | undefined {
  if (kind === 'layer')
    return { code: 'layer', text: `${path} is in the container's own layer, which has no snapshots` };
  if (fileSystem === 'xfs')
    return {
      code: 'no-snapshots',
      text: 'xfs has no snapshots; its reflink makes a fast copy, but not of one instant',
    };
  if (fileSystem !== 'btrfs') return { code: 'no-snapshots', text: `${fileSystem} has no snapshots` };
  if (hostPath === undefined) return { code: 'not-seen', text: `this process does not see ${path} by its path` };
  return undefined;
}

/** The subvolume that holds all of these folders, or every reason why there is none that can be cut. */
export async function wholeSubvolume(
  mounts: readonly Mount[],
  volumes: readonly Volume[],
): Promise<{ readonly subvolume: Subvolume } | { readonly reasons: readonly Reason[] }> {
  const [first, ...others] = volumes;
  if (!first?.hostPath) return { reasons: [{ code: 'not-seen', text: 'its files are not on this machine' }] };
  const subvolume = await subvolumeOf(mounts, first.hostPath);
  if (!subvolume) {
    const text = `only a part of the subvolume that holds ${first.path} is mounted here, and only a whole one can be cut`;
    return { reasons: [{ code: 'part-of-subvolume', text }] };
  }
  const elsewhere: Reason[] = [];
  for (const { path, hostPath } of others) {
    const found = hostPath === undefined ? undefined : await subvolumeOf(mounts, hostPath);
    if (found?.device === subvolume.device) continue;
    const text = `${path} is on another subvolume than ${first.path}: no snapshot cuts both at one instant`;
    elsewhere.push({ code: 'several-subvolumes', text });
  }
  const reasons = [...elsewhere, ...(await holes(mounts, subvolume, volumes)), ...(await rights(subvolume))];
  return reasons.length > 0 ? { reasons } : { subvolume };
}

/** What lies below the folders but would not be in a snapshot: nested subvolumes become empty folders in it. */
async function holes(
  mounts: readonly Mount[],
  subvolume: Subvolume,
  volumes: readonly Volume[],
): Promise<readonly Reason[]> {
  const folders = volumes.flatMap((it) => (it.hostPath === undefined ? [] : [it.hostPath]));
  const foreign = mountedBelow(mounts, folders);
  let listed: string;
  try {
    listed = await runProgram(['btrfs', 'subvolume', 'list', '-o', subvolume.top], LOOK);
  } catch (cause) {
    const text = `whether subvolumes lie below the data cannot be seen: ${messageOf(cause).replace(/\.$/, '')}`;
    return [...foreign, { code: 'privilege', text }];
  }
  const nested = [...listed.matchAll(/^ID \d+ .* path (.*)$/gm)]
    .map(([, path = '']) => `/${path}`)
    .filter((it) => folders.some((folder) => contains(insideOf(mounts, folder), it)) && !isOurs(it))
    .map((it) => ({
      code: 'nested-subvolume',
      text: `${it} is a subvolume of its own below the data: a snapshot would have an empty folder in its place`,
    }));
  return [...foreign, ...nested];
}

/** Whether a snapshot can be made, be removed again, and be afforded. */
async function rights({ mount }: Subvolume): Promise<readonly Reason[]> {
  if (process.getuid?.() !== 0)
    return [{ code: 'privilege', text: 'only root may remove a btrfs snapshot, and this is not root' }];
  try {
    await access(mount, constants.W_OK);
  } catch (cause) {
    return [{ code: 'privilege', text: `no snapshot can be put into ${mount}: ${messageOf(cause)}` }];
  }
  return lowSpace(mount);
}
