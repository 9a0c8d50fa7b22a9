import { resolve } from 'node:path';
import { nearest } from '../config/explain.ts';
import type { Config } from '../config/load.ts';
import { StillpointError } from '../model/errors.ts';
import type { Repository } from '../repositories/repository.ts';
import { besideConfig } from './asked.ts';
import type { Context } from './command.ts';
import type { Options } from './options.ts';

/** Where a repository is, and how the configuration calls it. */
export interface Place {
  readonly path: string;
  readonly configured?: string;
}

/** The repository that `--to`, `--from` or the job names; else the only one that is configured. */
export function choosePlace(
  context: Context,
  config: Config | undefined,
  named: string | undefined,
  ofJob?: string | undefined,
): Place {
  const configured = config ? Object.keys(config.data.repositories) : [];
  const one = configured.length === 1 ? configured[0] : undefined;
  const name = named ?? ofJob ?? one;
  if (name === undefined) {
    const text =
      configured.length === 0
        ? 'No repository is named.'
        : `Several repositories are configured: ${configured.join(', ')}.`;
    throw new StillpointError('usage', text, { next: 'Name one: --to DIR to store, --from DIR to read.' });
  }
  const places = config ? configuredPlaces(config) : [];
  const path = resolve(context.folder, name);
  // A folder that is configured is that repository, however it was named: its encryption counts.
  const place = places.find((it) => it.configured === name) ?? places.find((it) => it.path === path);
  if (place) return place;
  const near = name.includes('/') ? undefined : nearest(name, configured);
  if (near !== undefined) {
    throw new StillpointError('usage', `There is no repository '${name}'; did you mean '${near}'?`, {
      next: `For a folder of that name write ./${name}`,
    });
  }
  return { path };
}

/** Every repository of the configuration. */
export const configuredPlaces = (config: Config): readonly Required<Place>[] =>
  Object.entries(config.data.repositories).map(([configured, { directory }]) => ({
    path: besideConfig(config, directory),
    configured,
  }));

/** Opens what `--from` or the configuration names, to read it. */
export async function openToRead(context: Context, options: Options, job?: string): Promise<Repository> {
  const config = await context.config();
  const ofJob = job === undefined ? undefined : config?.data.jobs[job]?.repository;
  return context.openRepository(choosePlace(context, config, options.from, ofJob), { create: false });
}
