import { asStillpointError } from '../model/errors.ts';
import type { BackupLine } from '../model/manifest.ts';
import type { Listing } from '../output/results.ts';
import type { Repository } from '../repositories/repository.ts';
import type { Command, Context } from './command.ts';
import { judgeJob } from './copies.ts';
import { alike } from './next.ts';
import { configuredPlaces, openToRead } from './place.ts';

export const list: Command = async (context, [job], options) => {
  const repository = await openToRead(context, options, job);
  const { backups: all, damaged } = await repository.survey();
  const backups = job === undefined ? all : all.filter((it) => it.job === job);
  return {
    answer: 'list',
    body: {
      repository: repository.name,
      encrypted: repository.encrypted,
      backups,
      damaged,
      elsewhere: await elsewhere(context, repository, backups),
      rules: await rulesOf(context, backups),
    },
    next: `stillpoint ${nextOf(backups)}${alike(context.environment, options)}`,
  };
};

/** What the other repositories of the configuration hold of these. One that is out of reach is told, and hides nothing else. */
async function elsewhere(
  context: Context,
  here: Repository,
  backups: readonly BackupLine[],
): Promise<Listing['elsewhere']> {
  const config = await context.config();
  const others = config ? configuredPlaces(config).filter((it) => it.path !== here.name) : [];
  return Promise.all(
    others.map(async (place) => {
      try {
        const there = await Array.fromAsync((await context.openRepository(place, { create: false })).list());
        const ids = new Set(there.map((it) => it.id));
        return { repository: place.configured, holds: backups.filter((it) => ids.has(it.id)).map((it) => it.id) };
      } catch (cause) {
        return { repository: place.configured, holds: [], problem: asStillpointError(cause).message };
      }
    }),
  );
}

async function rulesOf(context: Context, backups: readonly BackupLine[]): Promise<Listing['rules']> {
  const config = await context.config();
  const jobs = [...new Set(backups.map((it) => it.job))].filter((it) => config?.data.jobs[it] !== undefined);
  return config ? Promise.all(jobs.map(async (job) => ({ job, ...(await judgeJob(context, config, job)) }))) : [];
}

/** The newest one that nobody has verified; else a look at the newest. */
function nextOf(backups: readonly BackupLine[]): string {
  const [newest] = backups;
  if (!newest) return 'detect';
  return newest.verification ? `show ${newest.id}` : `verify ${newest.id}`;
}
