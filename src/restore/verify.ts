import type { World } from '../backup/world.ts';
import type { Compared } from '../engines/engine.ts';
import { newId } from '../model/id.ts';
import type { Difference, Manifest, SourceRecord, Verification } from '../model/manifest.ts';
import { now } from '../model/time.ts';
import type { Open, Repository } from '../repositories/repository.ts';

/**
 * Restores every source into a throwaway twin, compares it with what was fingerprinted at the cut, records the result
 * beside the manifest and removes the twin. Differences are a result, not an error.
 */
export async function verifyBackup(
  world: World,
  repository: Repository,
  id: string,
  signal: AbortSignal,
): Promise<Verification> {
  const start = performance.now();
  const manifest = await repository.manifest(id);
  await using _entry = await world.journal.begin({ run: newId(), command: 'verify', sources: [] });
  await using open = await repository.open(manifest.id);
  const results: Result[] = [];
  for (const source of manifest.sources) {
    signal.throwIfAborted();
    results.push(await verifySource(world, manifest, source, open, _entry.run, signal));
  }
  const differences = results.flatMap((it) => it.differences);
  const unsettled = results.reduce((sum, it) => sum + (it.unsettled ?? 0), 0);
  const verification: Verification = {
    at: now(),
    tool: world.tool,
    image: results.map((it) => it.runs).join(', '),
    good: differences.length === 0,
    level: manifest.sources.some((it) => it.level === 'crash') ? 'crash' : 'application',
    compared: {
      tables: results.reduce((sum, it) => sum + it.tables, 0),
      rows: results.reduce((sum, it) => sum + it.rows, 0),
      objects: results.reduce((sum, it) => sum + it.objects, 0),
      ...(unsettled === 0 ? {} : { unsettled }),
    },
    differences,
    millis: performance.now() - start,
  };
  await repository.record(manifest.id, verification);
  world.emit({ event: 'verified', id: manifest.id, verification });
  return verification;
}

interface Result extends Compared {
  readonly runs: string;
  readonly differences: readonly Difference[];
}

async function verifySource(
  world: World,
  manifest: Manifest,
  source: SourceRecord,
  open: Open,
  run: string,
  signal: AbortSignal,
): Promise<Result> {
  const start = performance.now();
  const engine = await world.engine(source.engine);
  const runtime = await world.runtime(source.definition.runtime);
  await using twin = await runtime.twin(source.definition, run);
  // The twin ends first when the user gives up: whatever waits for it then fails.
  const stop = (): void => void twin[Symbol.asyncDispose]();
  signal.addEventListener('abort', stop, { once: true });
  try {
    world.emit({
      event: 'restoring',
      id: manifest.id,
      source: source.name,
      into: `a throwaway server of ${twin.runs}`,
    });
    const login = await engine.restore(source, open, twin);
    world.emit({
      event: 'recovered',
      source: source.name,
      position: source.position,
      millis: performance.now() - start,
    });
    const comparing = performance.now();
    const differences: Difference[] = [];
    const comparison = engine.compare(twin, login, source, open);
    let step = await comparison.next();
    for (; !step.done; step = await comparison.next()) differences.push(step.value);
    world.emit({
      event: 'compared',
      source: source.name,
      ...step.value,
      differences,
      millis: performance.now() - comparing,
    });
    return { runs: twin.runs, ...step.value, differences };
  } catch (cause) {
    signal.throwIfAborted();
    throw cause;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
