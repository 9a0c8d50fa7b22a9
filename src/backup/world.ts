import type { Engine } from '../engines/engine.ts';
import type { Recipe } from '../engines/recipe.ts';
import type { Guard, Guarded } from '../hold/guard.ts';
import type { Journal } from '../hold/journal.ts';
import type { Emit } from '../model/events.ts';
import type { Method } from '../model/facts.ts';
import type { Hooks } from '../model/hooks.ts';
import type { Ref } from '../model/ref.ts';
import type { Login } from '../model/secret.ts';
import type { Millis } from '../model/time.ts';
import type { Instance, Runtime } from '../runtimes/runtime.ts';
import type { Snapshotter } from '../snapshots/snapshotter.ts';

/** What commands hand to backup and restore: the registries, made in cli.ts, and nothing of argv or the environment. */
export interface World {
  /** Throws `usage` for an unknown name. Loads the engine on first use. */
  engine(name: string): Promise<Engine>;
  /** All engines, for recognising. */
  engines(): Promise<readonly Engine[]>;
  runtime(name: Runtime['name']): Promise<Runtime>;
  recipe(engine: string): Promise<Recipe>;
  /** Every way to cut storage that there is here, best first. */
  snapshotters(): Promise<readonly Snapshotter[]>;
  /** The login for a source, in the order of docs/credentials.md; `instance` may know it by its own environment. */
  login(source: SourceRequest, recipe: Recipe, instance: Instance): Promise<Login>;
  readonly journal: Journal;
  /** Starts a guard over what a run is going to change: see src/hold/guard.ts. */
  guard(over: Guarded): Promise<Guard>;
  readonly emit: Emit;
  /** `stillpoint 0.1.0`. */
  readonly tool: string;
  /** Where verify puts its throwaway servers; /var/tmp by default, because databases are large. */
  readonly scratch: string;
}

/** One source as the user asked for it. */
export interface SourceRequest {
  readonly name: string;
  readonly ref: Ref;
  /** Absent: the best that is possible. */
  readonly method?: Method;
  /** Login given in the configuration; parts that are absent come from the environment or the container. */
  readonly login?: Partial<Login>;
}

/** One job as the user asked for it: from the configuration, or made from references on the command line. */
export interface JobRequest {
  readonly job: string;
  readonly sources: readonly SourceRequest[];
  readonly coordinate: boolean;
  readonly holdLimit: Millis;
  readonly onOverrun: 'downgrade' | 'fail';
  /** Leave the storage snapshots there when the backup is stored. */
  readonly keepSnapshot?: true;
  /** Absent: none. The environment is what they get beside what a run says of itself. */
  readonly hooks?: { readonly hooks: Hooks; readonly environment: Readonly<Record<string, string>> };
}
