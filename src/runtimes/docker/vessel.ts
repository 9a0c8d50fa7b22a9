import { dirname, relative } from 'node:path';
import { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { extract } from 'tar-stream';
import { StillpointError } from '../../model/errors.ts';
import type { RunId } from '../../model/id.ts';
import type { Definition } from '../../model/manifest.ts';
import { formatRef, type Ref } from '../../model/ref.ts';
import type { Vessel } from '../runtime.ts';
import { dockerError, type Inspected, statusOf } from './api.ts';
import { asDockerDefinition, type DockerDefinition } from './definition.ts';
import { findContainer } from './find.ts';
import { RUN_LABEL } from './labels.ts';
import { retar } from './retar.ts';

/** What a new file system brings along. */
const NOTHING = new Set(['lost+found']);

/** A container that does not run, of the very image of the source: whatever else its programs make of the files could differ. */
export async function dockerVessel(
  docker: Docker,
  ref: Ref,
  definition: Definition,
  run: RunId,
): Promise<Vessel | undefined> {
  const container = await findContainer(docker, ref);
  if (container.State.Running || container.State.Paused || definition.runtime !== 'docker') return undefined;
  const source = asDockerDefinition(definition);
  const above = await checked(docker, container, source, formatRef(ref));
  const { dataDirectory: folder, uid, gid } = source;
  const name = container.Name.replace(/^\//, '');
  return {
    name,
    isSource: name === source.name,
    command: [...[container.Config.Entrypoint ?? []].flat(), ...(container.Config.Cmd ?? [])],
    folder,
    holds: await namesIn(docker, container.Id, folder),
    clear: () => clear(docker, container, source, run),
    async fill(tar) {
      // From above the mount, so that the mount point gets its owner, too.
      const below = relative(above, folder);
      const archive = retar(tar, below, { uid, gid }) as NodeJS.ReadableStream;
      await docker.getContainer(container.Id).putArchive(archive, { path: above });
    },
  };
}

/** The folder above the mount that holds the data. Throws `preflight` where the server would not read what is put there. */
async function checked(
  docker: Docker,
  container: Inspected,
  { image, dataDirectory, environment }: DockerDefinition,
  where: string,
): Promise<string> {
  const refused = (why: string): StillpointError =>
    new StillpointError('preflight', `The files of this backup cannot be put into ${where}: ${why}.`, {
      meaning: 'Nothing was written and nothing was replaced.',
      next: 'stillpoint restore ID --as PREFIX   # makes a container that fits; or start it: data are then loaded by its own tools',
    });
  if (container.Image !== image.id)
    throw refused(
      `it is of another image than ${image.name} (${image.id.slice(0, 19)}), where text may sort differently`,
    );
  const mount = container.Mounts.filter(
    (it) => it.Destination === dataDirectory || dataDirectory.startsWith(`${it.Destination}/`),
  ).sort((a, b) => b.Destination.length - a.Destination.length)[0];
  if (!mount) throw refused(`it has no volume at ${dataDirectory}`);
  if (!mount.RW) throw refused(`${mount.Destination} is mounted read-only`);
  const { Config } = await docker.getImage(image.id).inspect();
  const ofSource = { ...asRecord(Config.Env ?? []), ...environment };
  const own = asRecord(container.Config.Env ?? []);
  const other = Object.keys(ofSource).find((key) => ofSource[key] === dataDirectory && own[key] !== dataDirectory);
  if (other !== undefined) throw refused(`its ${other} is ${own[other]}, not ${dataDirectory}`);
  return dirname(mount.Destination);
}

const asRecord = (lines: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(lines.map((it) => [it.slice(0, it.indexOf('=')), it.slice(it.indexOf('=') + 1)]));

/** The names in a folder, or the first of them; what lies in the folders is not read. */
async function namesIn(docker: Docker, id: string, folder: string): Promise<readonly string[]> {
  let tar: Readable;
  try {
    tar = Readable.from(await docker.getContainer(id).getArchive({ path: `${folder}/.` }));
  } catch (cause) {
    if (statusOf(cause) === 404) return [];
    throw dockerError(cause, `${folder} cannot be read`);
  }
  const names = new Set<string>();
  const entries = extract();
  tar.on('error', (cause) => entries.destroy(cause)).pipe(entries);
  for await (const entry of entries) {
    const [name = ''] = entry.header.name.replace(/^\.\//, '').split('/');
    if (name !== '' && name !== '.' && !NOTHING.has(name)) names.add(name);
    entry.resume();
    if (names.size > 8) break;
  }
  tar.destroy();
  return [...names];
}

/** By a container of its own that has the same volumes: of a container that does not run, Docker removes nothing. */
async function clear(
  docker: Docker,
  container: Inspected,
  { image, dataDirectory }: DockerDefinition,
  run: RunId,
): Promise<void> {
  const helper = await docker.createContainer({
    Image: image.id,
    Entrypoint: ['find', dataDirectory, '-mindepth', '1', '-delete'],
    Cmd: [],
    User: '0',
    Labels: { [RUN_LABEL]: run },
    Healthcheck: { Test: ['NONE'] },
    HostConfig: { NetworkMode: 'none', VolumesFrom: [container.Id] },
  });
  try {
    await helper.start();
    const { StatusCode } = (await helper.wait()) as { StatusCode: number };
    if (StatusCode === 0) return;
    const said = (await helper.logs({ stdout: true, stderr: true })).toString('utf8').trim();
    throw new StillpointError('restore-failed', `The old files could not all be removed: ${said}`, {
      meaning: 'What is left of the old files is no server. The backup was not touched.',
    });
  } finally {
    // Its volumes are the other's.
    await helper.remove({ force: true });
  }
}
