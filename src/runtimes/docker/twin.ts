import { readdirSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import type Docker from 'dockerode';
import { pack } from 'tar-stream';
import { messageOf, StillpointError } from '../../model/errors.ts';
import type { RunId } from '../../model/id.ts';
import type { Definition } from '../../model/manifest.ts';
import type { Instance, Twin } from '../runtime.ts';
import { dockerError, statusOf } from './api.ts';
import { asDockerDefinition, type DockerDefinition } from './definition.ts';
import { execIn } from './exec.ts';
import { dockerInstance } from './instance.ts';
import { RUN_LABEL } from './labels.ts';
import { retar } from './retar.ts';
import { type View, viewOf } from './view.ts';

const BASE = '/stillpoint';
const ROOT = `${BASE}/data`;
const SCRATCH = `${BASE}/run`;
/** Of what the server prints the end is kept. */
const LOG_KEPT = 256 << 10;
/** Days: a large restore recovers for as long as it takes; who waits for it has a limit of their own. */
const NO_LIMIT = 2 ** 31 - 1;

/** Process 1 of a twin waits on its standard input, which closes when we die: the container ends and Docker removes it. */
const WAIT_FOR_OUR_END = 'while read -r _; do :; done';

/**
 * A container of the same image, without a network, with an empty anonymous volume, as the user who owned the data. The
 * server is started in it by exec. However this process ends, the container ends with it, and container and volume go.
 */
export async function dockerTwin(docker: Docker, definition: Definition, run: RunId): Promise<Twin> {
  const source = asDockerDefinition(definition);
  const image = await presentImage(docker, source);
  const stack = new AsyncDisposableStack();
  try {
    const container = await create(docker, source, image, run, stack);
    const instance = await dockerInstance(docker, await container.inspect(), {
      kind: 'docker',
      name: `stillpoint-${run}`,
    });
    const view = await viewOf(await container.inspect());
    if (!view) throw outOfSight();
    return makeTwin(docker, container, source, instance, view, stack);
  } catch (cause) {
    await stack.disposeAsync();
    throw dockerError(cause, 'The throwaway container could not be started');
  }
}

async function create(
  docker: Docker,
  source: DockerDefinition,
  image: string,
  run: RunId,
  stack: AsyncDisposableStack,
): Promise<Docker.Container> {
  const labels = { [RUN_LABEL]: run, 'stillpoint.source': source.name };
  const owner = `${source.uid}:${source.gid}`;
  const container = await docker.createContainer({
    Image: image,
    Entrypoint: ['sh', '-c', WAIT_FOR_OUR_END],
    Cmd: [],
    User: owner,
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
        { Type: 'volume', Source: '', Target: BASE, VolumeOptions: { Labels: labels, NoCopy: true, DriverConfig: {} } },
      ],
    } as unknown as Docker.HostConfig,
  });
  stack.defer(() => removeContainer(container));
  const streams = { stdin: true, stdout: true, stderr: true };
  const stdin = (await container.attach({ stream: true, hijack: true, ...streams })) as Duplex;
  stdin.on('error', () => undefined).resume();
  stack.defer(() => void stdin.destroy());
  const folders = pack();
  for (const name of ['data', 'run'])
    folders.entry({ name, type: 'directory', mode: 0o700, uid: source.uid, gid: source.gid });
  folders.finalize();
  await container.putArchive(folders as unknown as NodeJS.ReadableStream, { path: BASE });
  await container.start();
  return container;
}

function makeTwin(
  docker: Docker,
  container: Docker.Container,
  source: DockerDefinition,
  instance: Instance,
  view: View,
  stack: AsyncDisposableStack,
): Twin {
  const ended = Promise.withResolvers<number>();
  let log = '';
  let disposed: Promise<void> | undefined;
  const keep = (text: string): void => {
    log = (log + text).slice(-LOG_KEPT);
  };
  const inInstallation = ([program = '', ...rest]: readonly string[]): readonly string[] =>
    source.programs === undefined || program.startsWith('/')
      ? [program, ...rest]
      : [`${source.programs}/${program}`, ...rest];
  return {
    ...instance,
    root: ROOT,
    scratch: SCRATCH,
    runs: `${source.image.name} ${source.image.id.slice(0, 19)}`,
    ended: ended.promise,
    get endpoints() {
      return readdirSync(`${view.root}${SCRATCH}`)
        .filter((it) => it.startsWith('.s.') && !it.endsWith('.lock'))
        .map((it) => ({ socket: `${SCRATCH}/${it}` }));
    },
    definition: async () => source,
    exec: (argv, how) => instance.exec(inInstallation(argv), how),
    async write(tar, folder = '') {
      const owner = { uid: source.uid, gid: source.gid };
      await container.putArchive(retar(tar, `data/${folder}`, owner) as NodeJS.ReadableStream, { path: BASE });
    },
    async log() {
      return log;
    },
    async start(argv) {
      const place = { docker, id: container.id, name: source.name, shell: true, init: true };
      const server = await execIn(place, inInstallation(argv), { limit: NO_LIMIT }, keep);
      server.stdout.setEncoding('utf8').on('data', keep);
      // When how it ended is not known, it ended all the same.
      server.exit.then(
        ({ code }) => ended.resolve(code),
        (cause: unknown) => {
          keep(`${messageOf(cause)}\n`);
          ended.resolve(-1);
        },
      );
    },
    [Symbol.asyncDispose]: () => (disposed ??= stack.disposeAsync()),
  };
}

/** The very image, by its digest: from this daemon, else from the registry that it came from. */
async function presentImage(docker: Docker, { image }: DockerDefinition): Promise<string> {
  if (await hasImage(docker, image.id)) return image.id;
  const failed: string[] = [];
  for (const digest of image.digests) {
    try {
      await docker.createImage({ fromImage: digest }).then(untilPulled(docker));
      return (await docker.getImage(digest).inspect()).Id;
    } catch (cause) {
      failed.push(messageOf(cause));
    }
  }
  throw new StillpointError(
    'restore-failed',
    `The image that the server ran, ${image.name} (${image.id}), is not on this machine any more${failed.length > 0 ? ` and cannot be pulled: ${failed.join('; ')}` : ', and it came from no registry'}.`,
    { next: `docker pull ${image.name}   # or load the image that has this digest` },
  );
}

const untilPulled =
  (docker: Docker) =>
  (progress: NodeJS.ReadableStream): Promise<void> =>
    new Promise((resolve, reject) => {
      docker.modem.followProgress(progress, (cause) => (cause ? reject(cause) : resolve()));
    });

const outOfSight = (): StillpointError =>
  new StillpointError(
    'restore-failed',
    'The throwaway container has no network, and this process may not look into it.',
    {
      next: 'Run as root on the machine of the Docker daemon (in a container: with --pid host).',
    },
  );

async function hasImage(docker: Docker, id: string): Promise<boolean> {
  try {
    await docker.getImage(id).inspect();
    return true;
  } catch (cause) {
    if (statusOf(cause) === 404) return false;
    throw cause;
  }
}

/** Removed by Docker itself when its process 1 has ended; asked for as well, so that it does not take its time. */
async function removeContainer(container: Docker.Container): Promise<void> {
  try {
    await container.remove({ force: true, v: true });
  } catch (cause) {
    // 404: gone. 409: it is being removed.
    if (statusOf(cause) !== 404 && statusOf(cause) !== 409) throw cause;
  }
}
