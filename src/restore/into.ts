import { gatherInstance } from '../backup/gather.ts';
import type { World } from '../backup/world.ts';
import type { Engine } from '../engines/engine.ts';
import { StillpointError } from '../model/errors.ts';
import { newId, type RunId } from '../model/id.ts';
import type { Manifest, SourceRecord } from '../model/manifest.ts';
import { isWhole, type Part } from '../model/part.ts';
import { formatRef, nameOfRef, type Ref } from '../model/ref.ts';
import type { Open, Repository } from '../repositories/repository.ts';
import type { Vessel } from '../runtimes/runtime.ts';
import { fill, loudWords, sleeping, wake } from './as.ts';
import { type Agree, chosenSources } from './choice.ts';
import { openContents } from './contents.ts';

/** Where one source goes. */
export interface Destination {
  readonly source: string;
  readonly ref: Ref;
}

export interface IntoHow {
  readonly part: Part;
  /** What is in the way may be replaced, when whoever is asked agrees. */
  readonly replace: boolean;
  /** The very server that was backed up may be the target. */
  readonly inPlace: boolean;
  readonly activate: boolean;
  readonly agree: Agree;
}

export interface Arrived {
  readonly source: string;
  readonly ref: string;
  /** It takes queries; else its files are there and it does not run. */
  readonly runs: boolean;
  readonly notes: readonly string[];
}

/**
 * Restores into servers that exist: into a running one by its own tools, into a stopped container by its files. Nothing
 * is written before everything that can be known has been checked, and a target that is not empty only with `replace`.
 */
export async function restoreInto(
  world: World,
  repository: Repository,
  id: string,
  destinations: readonly Destination[],
  how: IntoHow,
  signal: AbortSignal,
): Promise<readonly Arrived[]> {
  const manifest = await repository.manifest(id);
  await using entry = await world.journal.begin({ run: newId(), command: 'restore', sources: [] });
  await using open = await repository.open(manifest.id);
  const arrived: Arrived[] = [];
  for (const { source: name, ref } of destinations) {
    signal.throwIfAborted();
    const [source] = chosenSources(manifest, [name]);
    if (!source) continue;
    const vessel = ref.kind === 'url' ? undefined : await vesselAt(world, source, ref, entry.run);
    const work: Work = { world, manifest, source, ref, open, run: entry.run, how };
    arrived.push(vessel ? await intoStopped(work, vessel) : await intoRunning(work));
  }
  return arrived;
}

interface Work {
  readonly world: World;
  readonly manifest: Manifest;
  readonly source: SourceRecord;
  readonly ref: Ref;
  readonly open: Open;
  readonly run: RunId;
  readonly how: IntoHow;
}

async function vesselAt(world: World, source: SourceRecord, ref: Ref, run: RunId): Promise<Vessel | undefined> {
  const runtime = await world.runtime(ref.kind.startsWith('k8s') ? 'kubernetes' : 'docker');
  return runtime.vessel?.(ref, source.definition, run);
}

/** By the engine's own tools, whatever the method was. */
async function intoRunning(work: Work): Promise<Arrived> {
  const { world, manifest, source, ref, open, run, how } = work;
  const where = formatRef(ref);
  if (how.activate) throw refused('usage', `${where} runs: nothing of it is quarantined.`, 'Leave --activate out.');
  const { engine, instance, login } = await gatherInstance(world, { name: nameOfRef(ref), ref });
  if (engine.name !== source.engine)
    throw refused('preflight', `${where} is ${engine.title}, and ${source.name} is of ${source.engine}.`);
  const { serverId } = await engine.inspect(instance, login);
  if (serverId !== '' && serverId === source.serverId && !how.inPlace) throw isTheSource(work);
  await using it = await openContents(world, engine, source, open, how.part, run);
  const found = await it.transfer.inTheWay(source, it.contents, instance, login);
  await mayReplace(
    work,
    found.map(({ what, fate }) => `${what} ${fate}`),
  );
  world.emit({ event: 'restoring', id: manifest.id, source: source.name, into: where });
  const start = performance.now();
  const notes = await it.transfer.load(source, it.contents, instance, login);
  world.emit({ event: 'recovered', source: source.name, position: source.position, millis: performance.now() - start });
  const through = it.like
    ? ['Its files were restored into a throwaway server, and dumped from there into this one.']
    : [];
  return { source: source.name, ref: where, runs: true, notes: [...through, ...notes] };
}

/** By its files, which have recovered in a throwaway twin before anything of the target is touched. */
async function intoStopped(work: Work, vessel: Vessel): Promise<Arrived> {
  const { world, manifest, source, ref, open, run, how } = work;
  const where = formatRef(ref);
  const start = `docker start ${vessel.name}   # then run it again`;
  if (source.method === 'dump')
    throw refused('preflight', `${where} does not run, and a dump is loaded by the running server.`, start);
  if (!isWhole(how.part))
    throw refused('preflight', `${where} does not run, and a part of a backup is loaded by the running server.`, start);
  if (vessel.isSource && !how.inPlace) throw isTheSource(work);
  const engine = await world.engine(source.engine);
  checkQuiet(work, engine, vessel);
  await mayReplace(work, holdsLines(vessel));
  const runtime = await world.runtime(source.definition.runtime);
  await using twin = await runtime.twin(source.definition, run);
  world.emit({ event: 'restoring', id: manifest.id, source: source.name, into: where });
  await fill(world, engine, source, open, twin, run, how.part);
  const asleep = await engine.handOver(source, twin);
  if (how.activate) await wake(how, source.name, vessel.name, asleep);
  if (vessel.holds.length > 0) await vessel.clear();
  await vessel.fill((await twin.files(twin.root)).tar());
  return {
    source: source.name,
    ref: where,
    runs: false,
    notes: [`It was not started: docker start ${vessel.name}`, ...sleeping(how.activate, asleep.what)],
  };
}

const holdsLines = ({ holds, folder }: Vessel): readonly string[] =>
  holds.length === 0
    ? []
    : [`everything in ${folder} (${holds.slice(0, 8).join(', ')}${holds.length > 8 ? ', ...' : ''}) is removed`];

/** A container that exists keeps its command line, which wins over every file. */
function checkQuiet({ ref, how }: Work, engine: Engine, { command }: Vessel): void {
  const loud = loudWords(engine, command);
  if (how.activate || loud.length === 0) return;
  throw refused(
    'preflight',
    `${formatRef(ref)} is started with ${loud.join(', ')}, which would end its quarantine.`,
    'Say so with --activate, or restore beside it with --as PREFIX.',
  );
}

/** Shows what is lost; goes on only when that was said, and agreed to. */
async function mayReplace({ source, ref, how }: Work, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  if (!how.replace) {
    const shown = lines.slice(0, 12).join('; ');
    throw new StillpointError('target-not-empty', `${formatRef(ref)} is not empty: ${shown}.`, {
      next: 'Add --replace if that is meant, or name an empty target.',
    });
  }
  await how.agree(source.name, lines, `Replace this in ${formatRef(ref)}?`);
}

const isTheSource = ({ ref }: Work): StillpointError =>
  refused(
    'preflight',
    `${formatRef(ref)} is the very server that was backed up, or runs on a copy of its files.`,
    'Add --in-place if that is meant; --as PREFIX restores beside it.',
  );

const refused = (code: 'preflight' | 'usage', message: string, next?: string): StillpointError =>
  new StillpointError(code, message, {
    meaning: 'Nothing was written and nothing was replaced.',
    ...(next === undefined ? {} : { next }),
  });
