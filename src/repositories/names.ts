import { StillpointError } from '../model/errors.ts';
import type { BackupId } from '../model/id.ts';
import type { Instant } from '../model/time.ts';

/** `20261121T020000Z-7f3k9q2m`: sorts by time, found by id. */
export const folderName = (at: Instant, id: BackupId): string => `${at.replaceAll(/[-:]|\.\d+/g, '')}-${id}`;

/** The id in a folder's name; undefined for a folder that is no backup's. */
export const idOfFolder = (folder: string): BackupId | undefined =>
  /^\d{8}T\d{6}Z-([0-9a-hjkmnp-tv-z]{8})$/.exec(folder)?.[1];

/** Names of jobs and artifacts become names of files: nothing hidden, no way out of the folder. */
export function safeName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) return name;
  throw new StillpointError('usage', `'${name}' cannot be the name of a file in a repository.`, {
    next: 'Use letters, digits, dots, dashes and underscores, 100 at most, and begin with a letter or digit.',
  });
}
