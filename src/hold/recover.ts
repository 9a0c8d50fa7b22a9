import { gatherInstance } from '../backup/gather.ts';
import type { SourceRequest, World } from '../backup/world.ts';
import { asStillpointError, StillpointError } from '../model/errors.ts';
import type { RunId } from '../model/id.ts';
import type { Leftover } from '../model/leftover.ts';
import { nameOfRef, parseRef } from '../model/ref.ts';
import type { Repository } from '../repositories/repository.ts';
import type { JournalEntry } from './journal.ts';
import { type Judge, judgeOf, serverKey } from './judge.ts';

export interface Recovery {
  readonly found: number;
  readonly removed: number;
  /** What could not be looked for or ended, and what is not ours to end though it holds writes. */
  readonly failed: readonly StillpointError[];
}

export interface RecoverOptions {
  readonly repositories: readonly Repository[];
  readonly sources: readonly SourceRequest[];
  /** This run alone, also when nothing here knows that it is dead. */
  readonly run?: RunId;
}

/**
 * Ends what dead runs left. The world is asked first (servers, runtimes, storage, repositories), by run id; the journal
 * tells which runs are alive, which servers to ask, and what can carry no id. A live run's things are never touched; a run
 * of another machine only by name. What cannot be asked is told, and the rest goes on. Throws `preflight` for `run` alive.
 */
export async function recover(world: World, options: RecoverOptions): Promise<Recovery> {
  const { judge, failed: unreadable } = await judgeOf(world.journal, options.run);
  const clearing = new Clearing(world, judge);
  clearing.failed.push(...unreadable);
  for (const { request, changes } of serversOf(options.sources, judge.dead)) {
    await clearing.try(judge.runsAt(request.ref), async () => {
      const { engine, instance, login } = await gatherInstance(world, request);
      for await (const leftover of engine.leftovers(instance, login, changes)) await clearing.end(leftover);
    });
  }
  for (const from of await placesOf(world, options.repositories)) {
    await clearing.try(judge.deadRuns, async () => {
      for await (const leftover of from()) await clearing.end(leftover);
    });
  }
  for (const { entry } of judge.dead) {
    if (!entry.owed?.length) continue;
    const text = `run ${entry.run} died before its after hooks ran (${entry.owed.join(', ')}); do by hand what they do`;
    world.emit({ event: 'warning', reason: { code: 'hooks-owed', text } });
  }
  // A journal entry goes last, and only when nothing of its run is left.
  for (const { entry, remove } of judge.dead) if (!clearing.left.has(entry.run)) await remove();
  const { found, removed, failed } = clearing;
  return { found, removed, failed };
}

/** What was found and what became of it. */
class Clearing {
  readonly #world: World;
  readonly #judge: Judge;
  found = 0;
  removed = 0;
  readonly failed: StillpointError[] = [];
  /** Runs of which something may still be there. */
  readonly left = new Set<RunId>();

  constructor(world: World, judge: Judge) {
    this.#world = world;
    this.#judge = judge;
  }

  /** Where one cannot be asked, the others are; the runs that may have left something there stay in the journal. */
  async try(runs: readonly RunId[], look: () => Promise<void>): Promise<void> {
    try {
      await look();
    } catch (cause) {
      this.failed.push(asStillpointError(cause));
      for (const run of runs) this.left.add(run);
    }
  }

  async end(leftover: Leftover): Promise<void> {
    const { run, kind, what, holds } = leftover;
    const { emit } = this.#world;
    if (this.#judge.isAlive(run)) return;
    this.found++;
    emit({ event: 'found', run, kind, what, holds });
    if (!this.#judge.mayTouch(run)) {
      const text = `run ${run} is not of this machine; if it is dead: stillpoint recover --run ${run}`;
      emit({ event: 'warning', reason: { code: 'unknown-run', text } });
      if (holds) this.failed.push(new StillpointError('still-held', `${what} holds writes, and ${text}`));
      return;
    }
    try {
      await leftover.remove();
      this.removed++;
      emit({ event: 'removed', run, kind, what });
    } catch (cause) {
      this.failed.push(failure(leftover, cause));
      this.left.add(run);
    }
  }
}

type Changes = NonNullable<JournalEntry['changes']>;

interface Server {
  readonly request: SourceRequest;
  /** Of any run; each with its own. */
  readonly changes: readonly (Changes[number] & { readonly run: RunId })[];
}

/** The servers that dead runs worked on, and those that the user named; each once, however it is written. */
function serversOf(named: readonly SourceRequest[], dead: Judge['dead']): readonly Server[] {
  const servers = new Map<string, Server>();
  for (const { entry } of dead) {
    for (const { name, ref: text } of entry.sources) {
      const ref = parseRef(text);
      const own = (entry.changes ?? []).filter((it) => it.source === name).map((it) => ({ ...it, run: entry.run }));
      const before = servers.get(serverKey(ref))?.changes ?? [];
      servers.set(serverKey(ref), { request: { name: nameOfRef(ref), ref }, changes: [...before, ...own] });
    }
  }
  for (const request of named)
    servers.set(serverKey(request.ref), { request, changes: servers.get(serverKey(request.ref))?.changes ?? [] });
  return [...servers.values()];
}

async function placesOf(
  world: World,
  repositories: readonly Repository[],
): Promise<readonly (() => AsyncIterable<Leftover>)[]> {
  const runtimes = await Promise.all((['host', 'docker'] as const).map((name) => world.runtime(name)));
  return [...runtimes, ...(await world.snapshotters()), ...repositories].map((it) => () => it.leftovers());
}

function failure({ what, holds }: Leftover, cause: unknown): StillpointError {
  const { message: said, next } = asStillpointError(cause);
  return holds
    ? new StillpointError('still-held', `It could not be ended: ${what}: ${said}`, { next, cause })
    : new StillpointError('backup-failed', `It could not be removed: ${what}: ${said}`, {
        meaning: 'Nothing holds writes because of it.',
        next: cause instanceof StillpointError ? next : 'stillpoint recover   # again, when the cause is gone',
        cause,
      });
}
