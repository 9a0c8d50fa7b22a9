import { gatherInstance } from '../backup/gather.ts';
import type { SourceRequest, World } from '../backup/world.ts';
import { asStillpointError, StillpointError } from '../model/errors.ts';
import type { RunId } from '../model/id.ts';
import type { Leftover } from '../model/leftover.ts';
import { nameOfRef, parseRef } from '../model/ref.ts';
import type { Repository } from '../repositories/repository.ts';

export interface Recovery {
  readonly found: number;
  readonly removed: number;
  readonly failed: readonly StillpointError[];
}

/**
 * Ends what dead runs left. The world is asked first (servers, runtimes, repository), by run id; the journal tells which
 * runs are alive, and which servers to ask. A live run's things are never touched; a run of another machine only by name.
 */
export async function recover(
  world: World,
  options: {
    readonly repositories: readonly Repository[];
    readonly sources: readonly SourceRequest[];
    readonly run?: RunId;
  },
): Promise<Recovery> {
  const journal = await Array.fromAsync(world.journal.entries());
  const states = new Map(journal.map(({ entry, state }) => [entry.run, state]));
  const failed: StillpointError[] = [];
  let found = 0;
  let removed = 0;

  const mayTouch = (run: RunId): boolean => {
    if (options.run !== undefined) return run === options.run && states.get(run) !== 'alive';
    const state = states.get(run);
    return state === 'dead' || state === 'stopped';
  };
  const end = async (leftover: Leftover): Promise<void> => {
    const { run, kind, what, holds } = leftover;
    if (states.get(run) === 'alive') return;
    found++;
    world.emit({ event: 'found', run, kind, what, holds });
    if (!mayTouch(run)) {
      world.emit({
        event: 'warning',
        reason: {
          code: 'unknown-run',
          text: `run ${run} is not of this machine; if it is dead: stillpoint recover --run ${run}`,
        },
      });
      return;
    }
    try {
      await leftover.remove();
      removed++;
      world.emit({ event: 'removed', run, kind, what });
    } catch (cause) {
      failed.push(failure(leftover, cause));
    }
  };

  const dead = journal.filter(
    ({ entry, state }) => state !== 'alive' && (options.run === undefined || entry.run === options.run),
  );
  for (const source of sourcesOf(
    options.sources,
    dead.flatMap(({ entry }) => entry.sources),
  )) {
    try {
      const { engine, instance, login } = await gatherInstance(world, source);
      for await (const leftover of engine.leftovers(instance, login)) await end(leftover);
    } catch (cause) {
      failed.push(asStillpointError(cause));
    }
  }
  for (const name of ['host', 'docker'] as const)
    for await (const leftover of (await world.runtime(name)).leftovers()) await end(leftover);
  for (const snapshotter of await world.snapshotters())
    for await (const leftover of snapshotter.leftovers()) await end(leftover);
  for (const repository of options.repositories)
    for await (const leftover of repository.leftovers()) await end(leftover);

  // The journal entry goes last, and only when nothing of its run is left.
  if (failed.length === 0) for (const { entry, remove } of dead) if (mayTouch(entry.run)) await remove();
  return { found, removed, failed };
}

/** The servers that dead runs worked on, and those that the user named; each once. */
function sourcesOf(
  named: readonly SourceRequest[],
  journaled: readonly { readonly name: string; readonly ref: string }[],
): readonly SourceRequest[] {
  const byRef = new Map<string, SourceRequest>();
  for (const { ref } of journaled) byRef.set(ref, { name: nameOfRef(parseRef(ref)), ref: parseRef(ref) });
  for (const source of named) byRef.set(JSON.stringify(source.ref), source);
  return [...byRef.values()];
}

function failure({ what, holds }: Leftover, cause: unknown): StillpointError {
  const said = asStillpointError(cause).message;
  return holds
    ? new StillpointError('still-held', `It could not be ended: ${what}: ${said}`, { cause })
    : new StillpointError('backup-failed', `It could not be removed: ${what}: ${said}`, {
        meaning: 'Nothing holds writes because of it.',
        next: 'stillpoint recover   # again, when the cause is gone',
        cause,
      });
}
