import type { SourceRequest, World } from '../backup/world.ts';
import type { Config } from '../config/load.ts';
import { recover as recoverAll } from '../hold/recover.ts';
import { asStillpointError } from '../model/errors.ts';
import type { Repository } from '../repositories/repository.ts';
import { sourcesOf, sourcesOfJob } from './asked.ts';
import type { Command, Context } from './command.ts';
import { alike } from './next.ts';
import type { Options } from './options.ts';
import { choosePlace, configuredPlaces, type Place } from './place.ts';

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
    next: `stillpoint ${failed.length > 0 ? 'recover' : 'list'}${alike(context.environment, options)}`,
    // That writes may still be held is worse than anything else that went wrong.
    exit: failed.find((it) => it.code === 'still-held')?.exit ?? Math.max(0, ...failed.map((it) => it.exit)),
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
    return [await context.openRepository(choosePlace(context, config, options.from), { create: false })];
  const places = new Map<string, Place>();
  for await (const it of world.journal.entries()) {
    const path = 'entry' in it ? it.entry.repository : undefined;
    if (path !== undefined) places.set(path, { path });
  }
  for (const place of config ? configuredPlaces(config) : []) places.set(place.path, place);
  const opened: Repository[] = [];
  for (const place of places.values()) {
    try {
      opened.push(await context.openRepository(place, { create: false }));
    } catch (error) {
      if (asStillpointError(error).code !== 'repository-missing') throw error;
    }
  }
  return opened;
}
