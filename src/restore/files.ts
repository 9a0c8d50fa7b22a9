import { chown, mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { World } from '../backup/world.ts';
import { StillpointError } from '../model/errors.ts';
import type { Repository } from '../repositories/repository.ts';
import { extractTar, type Owner } from '../runtimes/extract.ts';

/** Lays out the files of a backup's sources, each in an empty folder below `folder`. Starts nothing, replaces nothing. */
export async function restoreFiles(
  world: World,
  repository: Repository,
  id: string,
  sources: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<readonly { readonly source: string; readonly folder: string }[]> {
  const manifest = await repository.manifest(id);
  const unknown = sources.find((name) => !manifest.sources.some((it) => it.name === name));
  if (unknown !== undefined) {
    throw new StillpointError(
      'not-found',
      `The backup ${manifest.id} has no source '${unknown}'; it has: ${manifest.sources.map((it) => it.name).join(', ')}.`,
      {
        next: `stillpoint show ${manifest.id}`,
      },
    );
  }
  await using open = await repository.open(manifest.id);
  const wanted = manifest.sources.filter((it) => sources.length === 0 || sources.includes(it.name));
  const made: { source: string; folder: string }[] = [];
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
    await engine.restoreFiles(source, open, {
      root,
      write: (tar, below = '') => extractTar(tar, join(root, below), owner),
    });
    made.push({ source: source.name, folder: root });
  }
  return made;
}

async function makeEmpty(root: string, owner: Owner | undefined): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  if (owner) await chown(root, owner.uid, owner.gid);
  const [first] = await readdir(root);
  if (first !== undefined)
    throw new StillpointError('target-not-empty', `The folder ${root} is not empty: it has ${first}.`);
}
