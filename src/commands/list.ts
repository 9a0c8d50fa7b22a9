import type { BackupLine } from '../model/manifest.ts';
import type { Command } from './command.ts';
import { alike } from './next.ts';
import { openToRead } from './place.ts';

export const list: Command = async (context, [job], options) => {
  const repository = await openToRead(context, options, job);
  const all = await Array.fromAsync(repository.list());
  const backups = job === undefined ? all : all.filter((it) => it.job === job);
  const damaged = await Array.fromAsync(repository.damaged());
  return {
    answer: 'list',
    body: { repository: repository.name, encrypted: repository.encrypted, backups, damaged },
    next: `stillpoint ${nextOf(backups)}${alike(context.environment, options)}`,
  };
};

/** The newest one that nobody has verified; else a look at the newest. */
function nextOf(backups: readonly BackupLine[]): string {
  const [newest] = backups;
  if (!newest) return 'detect';
  return newest.verification ? `show ${newest.id}` : `verify ${newest.id}`;
}
