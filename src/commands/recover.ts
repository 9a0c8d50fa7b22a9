import type { SourceRequest, World } from '../backup/world.ts';
import type { Config } from '../config/load.ts';
import { recover as recoverAll } from '../hold/recover.ts';
import { asStillpointError } from '../model/errors.ts';
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
  const repositories = await openAll(context, world, config, options);
  const run = options.run === undefined ? {} : { run: options.run };
  const { found, removed, failed } = await recoverAll(world, { repositories, sources, ...run });
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

/** Those of the configuration and those that dead runs wrote to. One that nobody has made yet has no leftovers; one that was named must be there. */
async function openAll(
  context: Context,
  world: World,
  config: Config | undefined,
  options: Options,
): Promise<readonly Repository[]> {
  if (options.from !== undefined)
    return [await context.openRepository(choosePlace(context, config, options.from).path, { create: false })];
  const paths = new Set(
    config ? Object.values(config.data.repositories).map(({ directory }) => besideConfig(config, directory)) : [],
  );
  for await (const { entry } of world.journal.entries())
    if (entry.repository !== undefined) paths.add(entry.repository);
  const opened: Repository[] = [];
  for (const path of paths) {
    try {
      opened.push(await context.openRepository(path, { create: false }));
    } catch (error) {
      if (asStillpointError(error).code !== 'repository-missing') throw error;
    }
  }
  return opened;
}
