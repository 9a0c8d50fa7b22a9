import { readdirSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { StillpointError } from '../../model/errors.ts';
import type { RunId } from '../../model/id.ts';
import type { Ref } from '../../model/ref.ts';
import { connectTo } from '../connect.ts';
import type { DockerDefinition } from './definition.ts';
import type { Daemon } from './self.ts';
import { SCRATCH } from './throwaway.ts';

/** The folder of a twin's sockets, as this process sees it: the only way to a container that has no network. */
export class Sockets {
  readonly #here: string;
  constructor(here: string) {
    this.#here = here;
  }

  /** Those that are there now. */
  get endpoints(): readonly { readonly socket: string }[] {
    return readdirSync(this.#here, { withFileTypes: true })
      .filter((it) => it.isSocket())
      .map((it) => ({ socket: `${SCRATCH}/${it.name}` }));
  }

  dial(socket: string, ref: Ref): Promise<Duplex> {
    return connectTo({ path: join(this.#here, basename(socket)) }, ref);
  }
}

/**
 * A folder of ours to be bound into a twin, for who may not look into containers. Only we may enter the folder around it,
 * for a twin lets everybody in who reaches its socket.
 */
export async function sharedFolder(
  { paths, scratch }: Daemon,
  { uid, gid }: DockerDefinition,
  run: RunId,
  stack: AsyncDisposableStack,
): Promise<{ readonly here: string; readonly there: string }> {
  await mkdir(scratch, { recursive: true });
  const around = await mkdtemp(join(scratch, `stillpoint-${run}-`));
  stack.defer(() => rm(around, { recursive: true, force: true }));
  const here = join(around, 'run');
  await mkdir(here);
  if (process.getuid?.() === 0) await chown(here, uid, gid);
  else await chmod(here, 0o777);
  const there = (await paths()).toDaemon(here);
  if (there !== undefined) return { here, there };
  throw new StillpointError(
    'restore-failed',
    `A throwaway container has no network: it is reached by a socket in ${scratch}, which the Docker daemon cannot see.`,
    {
      next: `Run it on the daemon's machine; in a container, mount a volume at ${scratch}, or start it with --pid host as root.`,
    },
  );
}
