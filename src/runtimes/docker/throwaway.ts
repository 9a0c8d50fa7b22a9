import type { Duplex } from 'node:stream';
import type Docker from 'dockerode';
import type { RunId } from '../../model/id.ts';
import { newTar } from '../pack.ts';
import { statusOf } from './api.ts';
import type { DockerDefinition } from './definition.ts';
import { RUN_LABEL } from './labels.ts';
import type { Daemon } from './self.ts';

const BASE = '/stillpoint';
/** Where a server that is restored has its sockets. */
export const SCRATCH = `${BASE}/run`;

/** Where its volume is mounted: the data directory. */
export const ROOT = `${BASE}/data`;

/** Process 1 waits on its standard input, which closes when we die: the container ends and Docker removes it. */
const WAIT_FOR_OUR_END = 'while read -r _; do :; done';

/** What is to be made. */
export interface Wanted {
  readonly daemon: Daemon;
  readonly source: DockerDefinition;
  readonly image: string;
  readonly run: RunId;
}

/**
 * Starts a container of the image that does nothing: no network, no capability, an empty anonymous volume, as the user who
 * owned the data. However this process ends, the container ends with it, and Docker removes it with its volume; what is
 * never started carries the run's label.
 */
export async function startThrowaway(
  { daemon, image, source, run }: Wanted,
  /** A folder of the daemon's machine for the sockets; absent: in the container's own layer. */
  sockets: string | undefined,
  stack: AsyncDisposableStack,
): Promise<Docker.Container> {
  const labels = { [RUN_LABEL]: run, 'stillpoint.source': source.name };
  const { uid, gid } = source;
  const volume = { Labels: labels, NoCopy: true };
  const container = await daemon.docker.createContainer({
    Image: image,
    Entrypoint: ['sh', '-c', WAIT_FOR_OUR_END],
    Cmd: [],
    User: `${uid}:${gid}`,
    Labels: labels,
    OpenStdin: true,
    StdinOnce: true,
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      NetworkMode: 'none',
      AutoRemove: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      ...(typeof source.hostConfig.ShmSize === 'number' ? { ShmSize: source.hostConfig.ShmSize } : {}),
      Mounts: [
        // Without a name it is anonymous: it goes with its container.
        { Type: 'volume', Source: '', Target: ROOT, VolumeOptions: volume },
        ...(sockets === undefined ? [] : [{ Type: 'bind' as const, Source: sockets, Target: SCRATCH }]),
      ],
    } as unknown as Docker.HostConfig,
  });
  stack.defer(() => removeContainer(container));
  const streams = { stdin: true, stdout: true, stderr: true };
  const stdin = (await container.attach({ stream: true, hijack: true, ...streams })) as Duplex;
  stdin.on('error', () => undefined).resume();
  stack.defer(() => void stdin.destroy());
  const folders = newTar();
  for (const path of [ROOT, ...(sockets === undefined ? [BASE, SCRATCH] : [])])
    folders.entry({ name: path.slice(1), type: 'directory', mode: 0o700, uid, gid });
  folders.finalize();
  await container.putArchive(folders as unknown as NodeJS.ReadableStream, { path: '/' });
  await container.start();
  return container;
}

/** Docker begins to remove it by itself when its process 1 has ended; returns when nothing is left. */
async function removeContainer(container: Docker.Container): Promise<void> {
  try {
    await container.remove({ force: true, v: true });
  } catch (cause) {
    if (statusOf(cause) === 404) return;
    // It is being removed already.
    if (statusOf(cause) !== 409) throw cause;
    await container.wait({ condition: 'removed' }).catch((gone: unknown) => {
      if (statusOf(gone) !== 404) throw gone;
    });
  }
}
