import { stat } from 'node:fs/promises';
import { StillpointError } from '../model/errors.ts';
import type { Reason } from '../model/level.ts';
import type { Volume } from '../model/storage.ts';
import { contains, type Mount } from '../runtimes/mounts.ts';

/** Throws `source-changed` when `folder`, in a snapshot, is not the volume's own: a snapshot keeps the numbers of files. */
export async function checkSame(folder: string | undefined, { path, hostPath = '' }: Volume): Promise<string> {
  const [there, here] = await Promise.all(
    [folder ?? '', hostPath].map((it) => stat(it, { bigint: true }).catch(() => undefined)),
  );
  if (folder !== undefined && there && here && there.ino === here.ino) return folder;
  const text = `${path} in the snapshot is not the folder that was to be cut${folder === undefined ? '' : ` (${folder})`}.`;
  throw new StillpointError('source-changed', text);
}

/** Other file systems that are mounted below these folders. */
export const mountedBelow = (mounts: readonly Mount[], folders: readonly string[]): readonly Reason[] =>
  mounts
    .filter((mount) => folders.some((it) => mount.point !== it && contains(it, mount.point)))
    .map(({ point, type }) => ({
      code: 'mount-below',
      text: `${point} is mounted below the data (${type}): a snapshot would have an empty folder in its place`,
    }));
