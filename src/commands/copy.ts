import { StillpointError } from '../model/errors.ts';
import { copyBackup } from '../repositories/copy.ts';
import type { Command } from './command.ts';
import { quote } from './next.ts';
import { choosePlace, openToRead } from './place.ts';
import { jobOf } from './show.ts';

export const copy: Command = async (context, [name = 'latest'], options) => {
  if (options.to === undefined) {
    throw new StillpointError('usage', 'Where to is missing.', { next: 'stillpoint copy ID --to REPOSITORY' });
  }
  const began = performance.now();
  const from = await openToRead(context, options, jobOf(name));
  const to = await context.openRepository(choosePlace(context, await context.config(), options.to), { create: true });
  if (from.name === to.name) throw new StillpointError('usage', `${to.name} is where the backup is already.`);
  const { id, job } = await from.manifest(name);
  const taken = await copyBackup(from, to, id, context.signal);
  return {
    answer: 'copy',
    body: { id, job, from: from.name, to: to.name, ...taken, millis: performance.now() - began },
    next: `stillpoint verify ${id} --from ${quote(options.to)}   # restores from the copy`,
  };
};
