import { verifyBackup } from '../restore/verify.ts';
import type { Command } from './command.ts';
import { alike } from './next.ts';
import { openToRead } from './place.ts';
import { jobOf } from './show.ts';

export const verify: Command = async (context, [name = 'latest'], options) => {
  const repository = await openToRead(context, options, jobOf(name));
  const { id, job } = await repository.manifest(name);
  const verification = await verifyBackup(await context.world(), repository, id, context.signal);
  const again = alike(context.environment, options);
  return {
    answer: 'verify',
    body: { id, job, verification },
    next: verification.good
      ? `stillpoint list${again}`
      : `stillpoint check ${id}${again}   # are the stored bytes whole?`,
    exit: verification.good ? 0 : 9,
  };
};
