import type { World } from '../backup/world.ts';
import type { Asleep, Engine } from '../engines/engine.ts';
import { StillpointError } from '../model/errors.ts';
import { newId, type RunId } from '../model/id.ts';
import type { Definition, Manifest, SourceRecord } from '../model/manifest.ts';
import { isWhole, type Part } from '../model/part.ts';
import type { Open, Repository } from '../repositories/repository.ts';
import type { Twin } from '../runtimes/runtime.ts';
import { type Agree, chosenSources } from './choice.ts';
import { openContents } from './contents.ts';

/** One server that came back beside, or after, its source. */
export interface Risen {
  readonly source: string;
  readonly ref: string;
  readonly notes: readonly string[];
}

export interface AsHow {
  readonly prefix: string;
  readonly part: Part;
  /** Lets the servers do again what they did by themselves, when whoever is asked agrees. */
  readonly activate: boolean;
  readonly agree: Agree;
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
  how: AsHow,
  signal: AbortSignal,
): Promise<readonly Risen[]> {
  const manifest = await repository.manifest(id);
  await using entry = await world.journal.begin({ run: newId(), command: 'restore', sources: [] });
  await using open = await repository.open(manifest.id);
  const risen: Risen[] = [];
  for (const source of chosenSources(manifest, sources)) {
    signal.throwIfAborted();
    risen.push(await raise(world, manifest, source, open, entry.run, how));
  }
  return risen;
}

async function raise(
  world: World,
  manifest: Manifest,
  source: SourceRecord,
  open: Open,
  run: RunId,
  how: AsHow,
): Promise<Risen> {
  const engine = await world.engine(source.engine);
  const runtime = await world.runtime(source.definition.runtime);
  if (!runtime.successor) {
    const message = `${source.name} ran on ${runtime.name}, where Stillpoint makes no servers.`;
    throw new StillpointError('method-impossible', message, {
      meaning: 'Nothing was touched.',
      next: `stillpoint restore ${manifest.id} ${source.name} --files DIR`,
    });
  }
  const name = `${how.prefix}${nameOf(source.definition, source.name)}`;
  const definition = how.activate ? source.definition : quiet(engine, source.definition);
  await using successor = await runtime.successor(definition, name, run);
  await using twin = await runtime.twin(source.definition, run);
  world.emit({ event: 'restoring', id: manifest.id, source: source.name, into: `docker:${name}` });
  const filled = await fill(world, engine, source, open, twin, run, how.part);
  const asleep = await engine.handOver(filled.source, twin);
  const what = [...asleep.what, ...loudWords(engine, commandOf(source.definition)).map((it) => `started with ${it}`)];
  if (how.activate) await wake(how, source.name, name, { ...asleep, what });
  await successor.fill((await twin.files(twin.root)).tar());
  const { ref, notes } = await successor.start();
  return { source: source.name, ref, notes: [...notes, ...filled.notes, ...sleeping(how.activate, what)] };
}

/** Shows what wakes, and takes the quarantine off when that is agreed to. */
export async function wake(
  { agree }: { readonly agree: Agree },
  source: string,
  name: string,
  asleep: Asleep,
): Promise<void> {
  const lines = asleep.what.map((it) => `wakes: ${it}`);
  if (lines.length > 0) await agree(source, lines, `Let ${name} do this from its start on?`);
  await asleep.wake();
}

/** The twin runs and holds what is wanted when this returns. */
export async function fill(
  world: World,
  engine: Engine,
  source: SourceRecord,
  open: Open,
  twin: Twin,
  run: RunId,
  part: Part,
): Promise<{ readonly source: SourceRecord; readonly notes: readonly string[] }> {
  const start = performance.now();
  if (!isWhole(part)) {
    await using it = await openContents(world, engine, source, open, part, run);
    return await it.transfer.build(source, it.contents, twin, it.like);
  }
  await engine.restore(source, open, twin);
  world.emit({ event: 'recovered', source: source.name, position: source.position, millis: performance.now() - start });
  return { source, notes: [] };
}

/** What a restored server that is quarantined does not do. */
export const sleeping = (activate: boolean, what: readonly string[]): readonly string[] =>
  activate || what.length === 0
    ? []
    : [`Quarantined: it does not do what its source did: ${what.join('; ')}. --activate lets it.`];

/** Started as its source was, but for what would end the quarantine. */
const quiet = (engine: Engine, definition: Definition): Definition => ({
  ...definition,
  command: engine.quarantined?.(commandOf(definition)) ?? commandOf(definition),
});

/** The arguments that would end the quarantine. Their values may hold secrets. */
export function loudWords(engine: Engine, command: readonly string[]): readonly string[] {
  const without = engine.quarantined?.(command) ?? command;
  return command.flatMap((word, at) => (word === without[at] ? [] : (word.split('=')[0] ?? '')));
}

const commandOf = ({ command }: Definition): readonly string[] => (isWords(command) ? command : []);

const isWords = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((it) => typeof it === 'string');

/** As the source was called where it ran. */
const nameOf = ({ name }: Definition, otherwise: string): string => (typeof name === 'string' ? name : otherwise);
