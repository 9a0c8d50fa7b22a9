import { resolve } from 'node:path';
import { StillpointError } from '../model/errors.ts';
import { restoreAs } from '../restore/as.ts';
import { restoreFiles } from '../restore/files.ts';
import type { Command } from './command.ts';
import { alike } from './next.ts';
import { openToRead } from './place.ts';
import { jobOf } from './show.ts';

export const restore: Command = async (context, [name, ...sources], options) => {
  if (name === undefined) throw new StillpointError('usage', 'Name a backup.', { next: 'stillpoint list' });
  if ((options.files === undefined) === (options.as === undefined)) {
    throw new StillpointError(
      'usage',
      'Say where to: as new servers with --as PREFIX, or as files with --files FOLDER.',
      {
        next: `stillpoint restore ${name} --as again-`,
      },
    );
  }
  const repository = await openToRead(context, options, jobOf(name));
  const { id } = await repository.manifest(name);
  const world = await context.world();
  if (options.as !== undefined) {
    const risen = await restoreAs(world, repository, id, sources, options.as, context.signal);
    return {
      answer: 'restore',
      body: { id, restored: risen.map(({ source, ref }) => ({ source, ref })) },
      notes: risen.flatMap((it) => it.notes),
      next: `stillpoint plan ${risen[0]?.ref ?? 'REF'}   # or look into it`,
    };
  }
  const folder = resolve(context.folder, options.files ?? '');
  const restored = await restoreFiles(world, repository, id, sources, folder, context.signal);
  return {
    answer: 'restore',
    body: { id, restored },
    next: `stillpoint show ${id} --commands${alike(context.environment, options)}   # how to go on by hand`,
  };
};
