import { dirname, relative } from 'node:path';
import type Docker from 'dockerode';
import { StillpointError } from '../../model/errors.ts';
import type { RunId } from '../../model/id.ts';
import type { Definition } from '../../model/manifest.ts';
import type { Successor } from '../runtime.ts';
import { dockerError, statusOf } from './api.ts';
import { asDockerDefinition, type DockerDefinition } from './definition.ts';
import { presentImage } from './image.ts';
import { RESTORED_LABEL } from './labels.ts';
import { retar } from './retar.ts';
import type { Daemon } from './self.ts';

/** Labels by which other tools would take the new container for theirs. */
const FOREIGN_LABELS = /^com\.docker\.compose\./;
/** What must not be the same twice: addresses, names on networks, and starting by itself. */
const NOT_TAKEN_OVER = new Set(['PortBindings', 'NetworkMode', 'RestartPolicy', 'ExtraHosts']);
const HIDDEN = '(secret)';

/** A new container beside the old one, or after it: same image and settings, a volume of its own, no published port. */
export async function dockerSuccessor(
  daemon: Daemon,
  definition: Definition,
  name: string,
  run: RunId,
): Promise<Successor> {
  const { docker } = daemon;
  const source = asDockerDefinition(definition);
  const volume = `${name}-data`;
  await assertFree(docker, name, volume);
  const stack = new AsyncDisposableStack();
  try {
    await docker.createVolume({ Name: volume, Labels: { [RESTORED_LABEL]: run } });
    stack.defer(() => docker.getVolume(volume).remove({ force: true }));
    const container = await docker.createContainer(await settingsOf(docker, source, name, volume, run));
    stack.defer(() => container.remove({ force: true }));
    return {
      async fill(tar) {
        const { uid, gid, dataDirectory } = source;
        // From above the mount, so that the mount point gets its owner, too, and no folder above it.
        const above = dirname(mountOf(source));
        const below = relative(above, dataDirectory);
        await container.putArchive(retar(tar, below, { uid, gid }) as NodeJS.ReadableStream, { path: above });
      },
      async start() {
        try {
          await container.start();
        } catch (cause) {
          throw dockerError(cause, `The container ${name} could not be started`);
        }
        stack.move();
        return { ref: `docker:${name}`, notes: notesOf(source, volume) };
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (cause) {
    await stack.disposeAsync();
    throw dockerError(cause, `The container ${name} could not be made`);
  }
}

async function settingsOf(
  docker: Docker,
  source: DockerDefinition,
  name: string,
  volume: string,
  run: RunId,
): Promise<Docker.ContainerCreateOptions> {
  const shown = Object.entries(source.environment).filter(([, value]) => value !== HIDDEN);
  const configuration = source.mounts.filter((it) => it.type === 'bind' && it.readOnly);
  const labels = Object.entries(source.labels).filter(([key]) => !FOREIGN_LABELS.test(key));
  return {
    name,
    Image: await presentImage(docker, source),
    Cmd: [...source.command],
    Entrypoint: [...source.entrypoint],
    WorkingDir: source.workingDirectory,
    User: source.user,
    Env: shown.map(([key, value]) => `${key}=${value}`),
    Labels: { ...Object.fromEntries(labels), [RESTORED_LABEL]: run },
    ...(source.stopSignal === undefined ? {} : { StopSignal: source.stopSignal }),
    HostConfig: {
      ...Object.fromEntries(Object.entries(source.hostConfig).filter(([key]) => !NOT_TAKEN_OVER.has(key))),
      Mounts: [
        { Type: 'volume', Source: volume, Target: mountOf(source), ReadOnly: false },
        ...configuration.map((it) => ({ Type: 'bind' as const, Source: it.source, Target: it.target, ReadOnly: true })),
      ],
    },
  };
}

/** What is not as it was with the source. */
function notesOf(source: DockerDefinition, volume: string): readonly string[] {
  const mount = mountOf(source);
  const written = source.mounts.filter((it) => !it.readOnly && it.target !== mount).map((it) => it.target);
  const secrets = Object.entries(source.environment).filter(([, value]) => value === HIDDEN);
  return [
    `Its data are in the volume ${volume}. No port is published, and nothing starts it by itself.`,
    ...written.map((it) => `${it} is not mounted: the source writes to it.`),
    ...secrets.map(([key]) => `${key} is not set: secrets are not stored. Logins are as they were in the database.`),
  ];
}

/** The mount that held the data; where they lay in the container's own layer, the data directory itself. */
function mountOf({ mounts, dataDirectory }: DockerDefinition): string {
  const holding = mounts
    .map((it) => it.target)
    .filter((it) => dataDirectory === it || dataDirectory.startsWith(`${it}/`));
  return holding.toSorted((a, b) => b.length - a.length)[0] ?? dataDirectory;
}

async function assertFree(docker: Docker, name: string, volume: string): Promise<void> {
  const things = { [`container ${name}`]: docker.getContainer(name), [`volume ${volume}`]: docker.getVolume(volume) };
  for (const [what, thing] of Object.entries(things)) {
    try {
      await thing.inspect();
    } catch (cause) {
      if (statusOf(cause) === 404) continue;
      throw cause;
    }
    throw new StillpointError('target-not-empty', `There is a ${what} already.`, {
      next: 'Choose another prefix for --as.',
    });
  }
}
