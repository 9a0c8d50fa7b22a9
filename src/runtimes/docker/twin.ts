import type Docker from 'dockerode';
import { messageOf } from '../../model/errors.ts';
import type { RunId } from '../../model/id.ts';
import type { Definition } from '../../model/manifest.ts';
import type { Twin } from '../runtime.ts';
import { dockerError } from './api.ts';
import { entryOf } from './archive.ts';
import { asDockerDefinition } from './definition.ts';
import { execIn } from './exec.ts';
import { presentImage } from './image.ts';
import { dockerInstance } from './instance.ts';
import { retar } from './retar.ts';
import type { Daemon } from './self.ts';
import { Sockets, sharedFolder } from './sockets.ts';
import { ROOT, SCRATCH, startThrowaway, type Wanted } from './throwaway.ts';
import { viewOf } from './view.ts';

/** Of what the server prints the end is kept. */
const LOG_KEPT = 256 << 10;
/** A large restore recovers for as long as it takes; who waits for it has a limit of their own. */
const NO_LIMIT = 2 ** 31 - 1;

/** A throwaway container of the source's own image, in which the server is started by exec. */
export async function dockerTwin(daemon: Daemon, definition: Definition, run: RunId): Promise<Twin> {
  const source = asDockerDefinition(definition);
  try {
    const image = await presentImage(daemon.docker, source);
    const place = { daemon, source, image, run };
    return (await twinInView(place)) ?? (await twinByFolder(place));
  } catch (cause) {
    throw dockerError(cause, 'The throwaway container could not be started');
  }
}

/** Reached by its files; undefined where this process may not look into containers. */
async function twinInView(wanted: Wanted): Promise<Twin | undefined> {
  await using stack = new AsyncDisposableStack();
  const container = await startThrowaway(wanted, undefined, stack);
  const view = viewOf(await container.inspect());
  if (!view) return undefined;
  return makeTwin(wanted, container, new Sockets(`${view.root}${SCRATCH}`), stack.move());
}

/** Reached by a folder that is bound into it. */
async function twinByFolder(wanted: Wanted): Promise<Twin> {
  await using stack = new AsyncDisposableStack();
  const { here, there } = await sharedFolder(wanted.daemon, wanted.source, wanted.run, stack);
  const container = await startThrowaway(wanted, there, stack);
  return makeTwin(wanted, container, new Sockets(here), stack.move());
}

async function makeTwin(
  { daemon, source, run }: Wanted,
  container: Docker.Container,
  sockets: Sockets,
  stack: AsyncDisposableStack,
): Promise<Twin> {
  const ref = { kind: 'docker', name: `stillpoint-${run}` } as const;
  const instance = await dockerInstance(daemon, await container.inspect(), ref);
  const ended = Promise.withResolvers<number>();
  const owner = { uid: source.uid, gid: source.gid };
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
      return sockets.endpoints;
    },
    dial: (to) => ('socket' in to ? sockets.dial(to.socket, ref) : instance.dial(to)),
    definition: async () => source,
    exec: (argv, how) => instance.exec(inInstallation(argv), how),
    async write(tar, folder = '') {
      await container.putArchive(retar(tar, folder, owner) as NodeJS.ReadableStream, { path: ROOT });
    },
    read: async (path) => (await entryOf(daemon.docker, container.id, `${ROOT}/${path}`))?.bytes,
    log: async () => log,
    async start(argv) {
      const place = { docker: daemon.docker, id: container.id, name: source.name, shell: true, init: true };
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
    [Symbol.asyncDispose]() {
      disposed ??= stack.disposeAsync();
      return disposed;
    },
  };
}
