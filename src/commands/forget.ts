import { StillpointError } from '../model/errors.ts';
import { now } from '../model/time.ts';
import type { Forgotten } from '../output/results.ts';
import { PERIODS } from '../repositories/periods.ts';
import type { Repository } from '../repositories/repository.ts';
import { type Keep, retain } from '../repositories/retention.ts';
import type { Command, Context } from './command.ts';
import { alike } from './next.ts';
import type { Options } from './options.ts';
import { openToRead } from './place.ts';

export const forget: Command = async (context, [job], options) => {
  const repository = await openToRead(context, options, job);
  const jobs = job === undefined ? await jobsIn(repository) : [job];
  const backups: Forgotten['backups'][number][] = [];
  for (const one of jobs) {
    const keep = await rulesFor(context, one, options);
    backups.push(...(await forgetJob(repository, one, keep, options.dryRun)));
  }
  const isStuck = backups.some((it) => it.failure !== undefined);
  return {
    answer: 'forget',
    body: { repository: repository.name, dryRun: options.dryRun, backups },
    next: options.dryRun
      ? `stillpoint forget${job === undefined ? '' : ` ${job}`}${alike(context.environment, options)}   # removes what is marked`
      : `stillpoint list${alike(context.environment, options)}`,
    exit: isStuck ? 3 : 0,
  };
};

/** Removes what the rules let go, newest first; one that cannot be removed now is told and does not stop the rest. */
export async function forgetJob(
  repository: Repository,
  job: string,
  keep: Keep,
  dryRun: boolean,
): Promise<readonly Forgotten['backups'][number][]> {
  const lines = (await Array.fromAsync(repository.list())).filter((it) => it.job === job);
  const verdicts = retain(lines, keep, { now: now(), timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone });
  const done: Forgotten['backups'][number][] = [];
  for (const { id, at, keep: kept, reasons } of verdicts) {
    const failure = kept || dryRun ? undefined : await failureOf(() => repository.remove(id));
    done.push({ id, job, at, keep: kept, reasons, ...(failure === undefined ? {} : { failure }) });
  }
  return done;
}

async function failureOf(act: () => Promise<void>): Promise<string | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    if (error instanceof StillpointError) return error.message;
    throw error;
  }
}

const jobsIn = async (repository: Repository): Promise<readonly string[]> => [
  ...new Set((await Array.fromAsync(repository.list())).map((it) => it.job)),
];

/** Those of `--keep`, else the job's own. A job without rules keeps everything. */
async function rulesFor(context: Context, job: string, options: Options): Promise<Keep> {
  if (options.keep !== undefined) return parseKeep(options.keep);
  return (await context.config())?.data.jobs[job]?.keep ?? {};
}

const RULES = ['last', ...PERIODS] as const;

/** `last=3,daily=7`. Throws `usage` naming what is not understood. */
export function parseKeep(text: string): Keep {
  const rules: Record<string, number> = {};
  for (const part of text.split(',')) {
    const [rule = '', count = ''] = part.trim().split('=');
    if (!RULES.some((it) => it === rule) || !/^\d+$/.test(count)) {
      throw new StillpointError(
        'usage',
        `'${part.trim()}' is not a rule for --keep; write for example last=3,daily=7,weekly=4.`,
        {
          next: `The rules are ${RULES.join(', ')}.`,
        },
      );
    }
    rules[rule] = Number(count);
  }
  return rules;
}
