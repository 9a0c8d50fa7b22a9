import type Docker from 'dockerode';
import { messageOf, StillpointError } from '../../model/errors.ts';
import { isId } from '../../model/id.ts';
import type { Leftover } from '../../model/leftover.ts';
import { dockerError, machineOf, statusOf } from './api.ts';
import { nameOf } from './find.ts';
import { RESTORED_LABEL, RUN_LABEL } from './labels.ts';

/** Containers and volumes that carry a run id. The containers come first: a volume goes with the last that uses it. */
export async function* leftoversIn(docker: Docker): AsyncGenerator<Leftover> {
  if (!(await answers(docker))) return;
  const filters = { label: [RUN_LABEL] };
  for (const { Id, Names, Labels, Image, State } of await docker.listContainers({ all: true, filters })) {
    const run = Labels[RUN_LABEL] ?? '';
    if (!isId(run)) continue;
    const name = nameOf(Names);
    yield {
      run,
      kind: 'twin',
      what: `throwaway container ${name} of ${Image} (${State})`,
      holds: false,
      remove: () =>
        gone(docker.getContainer(Id).remove({ force: true, v: true }), `docker rm --force --volumes ${name}`),
    };
  }
  yield* halfMade(docker);
  for (const { Name, Labels } of (await docker.listVolumes({ filters })).Volumes ?? []) {
    const run = Labels?.[RUN_LABEL] ?? '';
    if (!isId(run)) continue;
    yield {
      run,
      kind: 'volume',
      what: `volume ${Name} of a throwaway container`,
      holds: false,
      remove: () => gone(docker.getVolume(Name).remove({ force: true }), `docker volume rm ${Name}`),
    };
  }
}

/** Servers that a restore was making when it died: one that was done has been started. */
async function* halfMade(docker: Docker): AsyncGenerator<Leftover> {
  const filters = { label: [RESTORED_LABEL], status: ['created'] };
  for (const { Id, Names, Labels, Mounts } of await docker.listContainers({ all: true, filters })) {
    const run = Labels[RESTORED_LABEL] ?? '';
    if (!isId(run)) continue;
    const name = nameOf(Names);
    const volumes = Mounts.flatMap((it) => (it.Type === 'volume' && it.Name !== undefined ? [it.Name] : []));
    yield {
      run,
      kind: 'restored',
      what: `container ${name}, which was never started, with its volume ${volumes.join(', ')}`,
      holds: false,
      async remove() {
        await gone(docker.getContainer(Id).remove({ force: true }), `docker rm --force ${name}`);
        for (const volume of volumes) await gone(docker.getVolume(volume).remove(), `docker volume rm ${volume}`);
      },
    };
  }
}

/** Where no Docker runs, or this user may not use it, this user has left nothing in it. */
async function answers(docker: Docker): Promise<boolean> {
  try {
    await docker.ping();
    return true;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : '';
    if (machineOf(docker) === undefined && ['ENOENT', 'ECONNREFUSED', 'EACCES'].includes(String(code))) return false;
    throw dockerError(cause, 'What dead runs left in Docker cannot be looked for');
  }
}

async function gone(removed: Promise<unknown>, byHand: string): Promise<void> {
  try {
    await removed;
  } catch (cause) {
    // 404: gone. 409: it is being removed by Docker itself.
    if (statusOf(cause) === 404 || statusOf(cause) === 409) return;
    throw new StillpointError('backup-failed', messageOf(cause), { next: byHand, cause });
  }
}
