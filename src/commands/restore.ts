import { resolve } from 'node:path';
import { StillpointError } from '../model/errors.ts';
import { restoreFiles } from '../restore/files.ts';
import type { Command } from './command.ts';
import { alike } from './next.ts';
import { openToRead } from './place.ts';
import { jobOf } from './show.ts';

export const restore: Command = async (context, [name, ...sources], options) => {
  if (name === undefined) throw new StillpointError('usage', 'Name a backup.', { next: 'stillpoint list' });
  if (options.files === undefined) {
    throw new StillpointError('usage', 'Say where to: --files FOLDER is what this version can restore into.', {
      next: `stillpoint restore ${name} --files ./restored`,
    });
  }
  const repository = await openToRead(context, options, jobOf(name));
  const { id } = await repository.manifest(name);
  const folder = resolve(context.folder, options.files);
  const restored = await restoreFiles(await context.world(), repository, id, sources, folder, context.signal);
  return {
    answer: 'restore',
    body: { id, restored },
    next: `stillpoint show ${id} --commands${alike(context.environment, options)}   # how to go on by hand`,
  };
};
