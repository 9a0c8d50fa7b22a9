import type { Command } from './command.ts';
import { alike } from './next.ts';
import { openToRead } from './place.ts';
import { jobOf } from './show.ts';

export const pin: Command = async (context, [name = 'latest'], options) => {
  const repository = await openToRead(context, options, jobOf(name));
  const { id, job } = await repository.manifest(name);
  await repository.pin(id, !options.off);
  return {
    answer: 'pin',
    body: { id, job, pinned: !options.off },
    next: `stillpoint list${alike(context.environment, options)}`,
  };
};
