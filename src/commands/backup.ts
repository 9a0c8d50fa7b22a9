import { gather } from '../backup/gather.ts';
import { makePlan } from '../backup/plan.ts';
import { runBackup } from '../backup/run.ts';
import { inertSettings } from '../config/inert.ts';
import { newId } from '../model/id.ts';
import { afterwards } from './afterwards.ts';
import { askedFor } from './asked.ts';
import type { Command } from './command.ts';
import { alike } from './next.ts';
import { choosePlace } from './place.ts';
import { plan } from './plan.ts';
import { unlessStopped } from './stop.ts';

export const backup: Command = async (context, args, options) => {
  if (options.dryRun) return plan(context, args, options);
  const asked = await askedFor(context, args, options);
  const config = await context.config();
  const place = choosePlace(context, config, options.to, asked.configured?.job.repository);
  const world = await context.world();
  if (asked.configured)
    for (const reason of inertSettings(asked.configured.job)) world.emit({ event: 'warning', reason });
  const repository = await context.openRepository(place, { create: true });
  const gathered = await unlessStopped(context.signal, gather(world, asked.request));
  const made = await runBackup(world, makePlan(gathered, newId()), gathered, repository, context.signal);
  const { notes, verified, exit } = await afterwards(context, world, repository, made, asked.configured?.job);
  const open = [...(repository.encrypted ? [] : ['not encrypted']), ...(verified ? [] : ['not verified yet'])].join(
    ', ',
  );
  return {
    answer: 'backup',
    body: made,
    notes,
    ...(open === '' ? {} : { open: `${open.charAt(0).toUpperCase()}${open.slice(1)}.` }),
    next: `stillpoint ${verified ? 'show' : 'verify'} ${made.id}${alike(context.environment, options)}`,
    exit,
  };
};
