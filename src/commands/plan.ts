import { gather } from '../backup/gather.ts';
import { makePlan } from '../backup/plan.ts';
import { newId } from '../model/id.ts';
import { askedFor } from './asked.ts';
import type { Command } from './command.ts';
import { alike, quote } from './next.ts';

export const plan: Command = async (context, args, options) => {
  const asked = await askedFor(context, args, options);
  const made = makePlan(await gather(await context.world(), asked.request), newId());
  const to = asked.configured || options.to !== undefined ? '' : ' --to DIR';
  return {
    answer: 'plan',
    body: made,
    next: `stillpoint backup ${args.map(quote).join(' ')}${to}${alike(context.environment, options, '--to')}`,
  };
};
