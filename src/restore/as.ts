import type { World } from '../backup/world.ts';
import { StillpointError } from '../model/errors.ts';
import { newId } from '../model/id.ts';
import type { Definition } from '../model/manifest.ts';
import type { Repository } from '../repositories/repository.ts';

/** One server that came back beside, or after, its source. */
export interface Risen {
  readonly source: string;
  readonly ref: string;
  readonly notes: readonly string[];
}

/**
 * Brings sources back as servers of their own, named `prefix` and the source's name, from the stored definition: the
 * source may be gone. Each recovers to its point, quarantined, before it is released; one that fails leaves nothing.
 */
export async function restoreAs(
  world: World,
  repository: Repository,
  id: string,
  sources: readonly string[],
  prefix: string,
  signal: AbortSignal,
): Promise<readonly Risen[]> {
  const manifest = await repository.manifest(id);
  await using entry = await world.journal.begin({ run: newId(), command: 'restore', sources: [] });
  await using open = await repository.open(manifest.id);
  const risen: Risen[] = [];
  for (const source of manifest.sources.filter((it) => sources.length === 0 || sources.includes(it.name))) {
    signal.throwIfAborted();
    const start = performance.now();
    const runtime = await world.runtime(source.definition.runtime);
    if (!runtime.successor) {
      throw new StillpointError(
        'method-impossible',
        `${source.name} ran on ${runtime.name}, where Stillpoint makes no servers.`,
        {
          next: `stillpoint restore ${manifest.id} ${source.name} --files DIR`,
        },
      );
    }
    const name = `${prefix}${nameOf(source.definition, source.name)}`;
    await using successor = await runtime.successor(source.definition, name, entry.run);
    await using twin = await runtime.twin(source.definition, entry.run);
    world.emit({ event: 'restoring', id: manifest.id, source: source.name, into: `docker:${name}` });
    const engine = await world.engine(source.engine);
    await engine.restore(source, open, twin);
    world.emit({
      event: 'recovered',
      source: source.name,
      position: source.position,
      millis: performance.now() - start,
    });
    await engine.handOver(source, twin);
    await successor.fill((await twin.files(twin.root)).tar());
    const { ref, notes } = await successor.start();
    risen.push({ source: source.name, ref, notes });
  }
  return risen;
}

/** As the source was called where it ran. */
const nameOf = ({ name }: Definition, otherwise: string): string => (typeof name === 'string' ? name : otherwise);
