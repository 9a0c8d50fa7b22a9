import type { World } from '../backup/world.ts';
import type { Config } from '../config/load.ts';
import type { Environment } from '../config/secrets.ts';
import type { Recipe } from '../engines/recipe.ts';
import type { Result } from '../output/results.ts';
import type { Repository } from '../repositories/repository.ts';
import type { Options } from './options.ts';
import type { Place } from './place.ts';

/** One verb: arguments in, a result out. Progress goes through `world.emit`; errors are thrown. */
export type Command = (context: Context, args: readonly string[], options: Options) => Promise<Result>;

/** What cli.ts hands to every command. Each part is made on first use, so that a verb pays only for what it needs. */
export interface Context {
  world(): Promise<World>;
  /** Undefined: there is none, and none was named. */
  config(): Promise<Config | undefined>;
  openRepository(place: Place, how: { readonly create: boolean }): Promise<Repository>;
  /** What a folder lies on: the disk, the file server. It need not be there yet. */
  mediumOf(folder: string): Promise<string>;
  /** By engine name, or from a file. */
  recipe(nameOrPath: string): Promise<Recipe>;
  readonly engineNames: () => Promise<readonly string[]>;
  readonly environment: Environment;
  /** The folder that relative paths start from. */
  readonly folder: string;
  /** Asks whoever sits at the terminal; undefined: nobody does. */
  ask(question: string): Promise<boolean | undefined>;
  /** Aborts when the user wants to stop; its reason is the error. */
  readonly signal: AbortSignal;
}
