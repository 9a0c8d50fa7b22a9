import { createWriteStream } from 'node:fs';
import { chown, mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { World } from '../backup/world.ts';
import type { Engine } from '../engines/engine.ts';
import { StillpointError } from '../model/errors.ts';
import { newId } from '../model/id.ts';
import type { SourceRecord } from '../model/manifest.ts';
import { isWhole, type Part, WHOLE } from '../model/part.ts';
import type { Open, Repository } from '../repositories/repository.ts';
import { extractTar, fileIn, type Owner } from '../runtimes/extract.ts';
import { chosenSources } from './choice.ts';
import { openContents } from './contents.ts';

/** The files of one source. */
export interface LaidOut {
  readonly source: string;
  readonly folder: string;
  readonly notes: readonly string[];
}

/**
 * Lays out the files of a backup's sources, each in an empty folder below `folder`. Starts nothing, replaces nothing. A
 * part of a source becomes files for the engine's own tools.
 */
export async function restoreFiles(
  world: World,
  repository: Repository,
  id: string,
  sources: readonly string[],
  folder: string,
  signal: AbortSignal,
  part: Part = WHOLE,
): Promise<readonly LaidOut[]> {
  const manifest = await repository.manifest(id);
  const wanted = chosenSources(manifest, sources);
  await using open = await repository.open(manifest.id);
  const made: LaidOut[] = [];
  for (const source of wanted) {
    signal.throwIfAborted();
    const root = resolve(wanted.length === 1 ? folder : join(folder, source.name));
    world.emit({ event: 'restoring', id: manifest.id, source: source.name, into: root });
    const engine = await world.engine(source.engine);
    const owner =
      process.getuid?.() === 0
        ? { uid: Number(source.definition.uid ?? 0), gid: Number(source.definition.gid ?? 0) }
        : undefined;
    await makeEmpty(root, owner);
    let notes: readonly string[] = [];
    if (isWhole(part)) {
      await engine.restoreFiles(source, open, {
        root,
        write: (tar, below = '') => extractTar(tar, join(root, below), owner),
        read: (path) => fileIn(root, path),
      });
    } else notes = await layOutPart(world, engine, source, open, part, root);
    made.push({ source: source.name, folder: root, notes });
  }
  return made;
}

async function layOutPart(
  world: World,
  engine: Engine,
  source: SourceRecord,
  open: Open,
  part: Part,
  root: string,
): Promise<readonly string[]> {
  await using entry = await world.journal.begin({ run: newId(), command: 'restore', sources: [] });
  await using it = await openContents(world, engine, source, open, part, entry.run);
  const files = it.transfer.layOut(source, it.contents);
  let step = await files.next();
  for (; !step.done; step = await files.next()) {
    const { name, content } = step.value;
    await pipeline(content, createWriteStream(join(root, name), { flags: 'wx', mode: 0o600, flush: true }));
  }
  return step.value;
}

async function makeEmpty(root: string, owner: Owner | undefined): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  if (owner) await chown(root, owner.uid, owner.gid);
  const [first] = await readdir(root);
  if (first !== undefined)
    throw new StillpointError('target-not-empty', `The folder ${root} is not empty: it has ${first}.`);
}
