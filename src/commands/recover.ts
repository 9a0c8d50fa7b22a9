import type { SourceRequest } from '../backup/world.ts';
import type { Config } from '../config/load.ts';
import { recover as recoverAll } from '../hold/recover.ts';
import { asStillpointError, type StillpointError } from '../model/errors.ts';
import type { Repository } from '../repositories/repository.ts';
import { besideConfig, sourcesOf, sourcesOfJob } from './asked.ts';
import type { Command, Context } from './command.ts';
import type { Options } from './options.ts';
import { choosePlace } from './place.ts';

/** Looks in every configured repository and at every configured source, unless told where to look. */
export const recover: Command = async (context, refs, options) => {
  const config = await context.config();
  const world = await context.world();
  const sources = refs.length > 0 ? sourcesOf(refs, options) : await configuredSources(context, config, options);
  const repositories = await openAll(context, config, options);
  const run = options.run === undefined ? {} : { run: options.run };
  let [found, removed] = [0, 0];
  const failed: StillpointError[] = [];
  for (const [at, repository] of (repositories.length > 0 ? repositories : [undefined]).entries()) {
    const where = repository ? { repository } : {};
    const one = await recoverAll(world, { ...where, sources: at === 0 ? sources : [], ...run });
    found += one.found;
    removed += one.removed;
    failed.push(...one.failed);
  }
  return {
    answer: 'recover',
    body: { found, removed, failed: failed.map(({ code, message, next }) => ({ code, message, next })) },
    next: failed.length > 0 ? 'stillpoint recover   # again, after what is named above' : 'stillpoint list',
    exit: Math.max(0, ...failed.map((it) => it.exit)),
  };
};

async function configuredSources(
  context: Context,
  config: Config | undefined,
  options: Options,
): Promise<readonly SourceRequest[]> {
  if (!config) return [];
  const jobs = Object.values(config.data.jobs);
  return (await Promise.all(jobs.map((it) => sourcesOfJob(context, config, it, options)))).flat();
}

/** A configured repository that nobody has made yet has no leftovers; one that was named must be there. */
async function openAll(context: Context, config: Config | undefined, options: Options): Promise<readonly Repository[]> {
  if (options.from !== undefined)
    return [await context.openRepository(choosePlace(context, config, options.from).path, { create: false })];
  const opened: Repository[] = [];
  for (const { directory } of Object.values(config?.data.repositories ?? {})) {
    try {
      opened.push(await context.openRepository(besideConfig(config as Config, directory), { create: false }));
    } catch (error) {
      if (asStillpointError(error).code !== 'repository-missing') throw error;
    }
  }
  return opened;
}
